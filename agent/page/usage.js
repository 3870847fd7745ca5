// What a host has used over the last minutes, as plots.

import { get, hostPath, orWhy } from "./api.js";
import { h, show, size } from "./dom.js";
import { plot } from "./draw.js";

// How long samples are plotted, and how far they are apart at least, in seconds.
const KEPT = 300;
const LEAST = 1;
// Of the hosts that this tab has shown, by their ids: on return to a host its plots go on.
const samples = new Map();

const sum = (used, list, field) => used[list].reduce((total, each) => total + each[field], 0);

// The growth of a figure per second up to each sample; null where it is not known.
function rates(kept, figure) {
  return kept.map((each, i) => {
    const before = kept[i - 1];
    if (!before?.used || !each.used) return null;
    // It starts at 0 again when the host does.
    return Math.max(0, (figure(each.used) - figure(before.used)) / (each.at - before.at));
  });
}

// Takes a sample of a host, and draws what there is of it.
export async function drawUsage(element, { id, name, state }) {
  const [used, why] = state === "shut off" ? [null, "the host is off"] : await orWhy(get(hostPath(name, "/usage")));
  const at = performance.now() / 1000;
  const before = (samples.get(id) ?? []).filter((each) => at - each.at < KEPT);
  // A change reads the view again at once; a rate over so short a time would tell nothing.
  const kept = at - before.at(-1)?.at < LEAST ? before : [...before, { at, used }];
  samples.set(id, kept);
  if (!kept.some((each) => each.used)) return show(element, h("p", { class: "soft" }, `Nothing was measured yet: ${why}`));
  const ages = kept.map((each) => at - each.at);
  const percent = (value) => `${(value * 100).toFixed(0)} %`;
  const bytes = (value) => `${size(value)}/s`;
  const traffic = (list, ...fields) => fields.map((field) => rates(kept, (each) => sum(each, list, field)));
  // least: what the plot's height is at least.
  const one = (title, said, rows, names = [], least = 0) => {
    const most = Math.max(least, ...rows.flat().filter((value) => value !== null));
    const text = rows.map((row) => row.at(-1)).map((value, i) => `${names[i] ? `${names[i]} ` : ""}${value === null ? "…" : said(value)}`);
    return h("div", {}, h("h3", {}, title, most > 0 && `, 0 to ${said(most)}`), plot(`${title}: ${used ? text.join(", ") : why}`, most, KEPT, ages, rows),
      h("p", {}, used ? text.map((each, i) => h("span", { class: `key key${i}` }, each)) : why));
  };
  show(element,
    one("Processor", percent, [rates(kept, (each) => each.cpu_seconds)], [], 1),
    one("Memory", size, [kept.map((each) => each.used?.memory_bytes ?? null)]),
    one("Disks", bytes, traffic("disks", "read_bytes", "written_bytes"), ["read", "written"]),
    one("Network", bytes, traffic("interfaces", "received_bytes", "sent_bytes"), ["received", "sent"]));
}

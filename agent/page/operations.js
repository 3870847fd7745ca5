// What was changed: every operation, with its commands.

import { get, text } from "./api.js";
import { copyButton, download, facts, h, show, state, table, time } from "./dom.js";

const STATUSES = ["running", "waiting", "done", "undone", "failed", "unsettled"];

export function operationRows(found) {
  return found.map((each) => [
    h("a", { href: `#/operations/${each.id}` }, each.does),
    state(each.status),
    time(each.began),
    each.ended ? `${(each.ended - each.began).toFixed(1)} s` : "",
    each.request?.client ?? "",
    each.error?.detail ?? "",
  ]);
}

export const OPERATION_HEADS = ["operation", "status", "began", { label: "took", number: true }, "asked for by", "error"];

export async function operations(view) {
  const host = h("input", { id: "by-host", size: 18 });
  const network = h("input", { id: "by-network", size: 18 });
  const status = h("select", { id: "by-status" }, h("option", { value: "" }, "any"), STATUSES.map((each) => h("option", {}, each)));
  const rows = h("div");
  const more = h("button", { type: "button" }, "Older ones");
  let limit = 50;
  let update;
  const field = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
  view.replaceChildren(
    h("h1", {}, "Operations"),
    h("form", { class: "row", onsubmit: (event) => event.preventDefault() }, field("Host", host), field("Network", network), field("Status", status)),
    h("section", {}, rows, more));
  update = async () => {
    const query = new URLSearchParams({ limit });
    for (const [name, input] of Object.entries({ host, network, status })) if (input.value.trim()) query.set(name, input.value.trim());
    const found = await get(`/operations?${query}`);
    show(rows, table("", OPERATION_HEADS, operationRows(found), "There is no such operation."));
    more.hidden = found.length < limit || limit >= 500;
  };
  for (const input of [host, network, status]) input.addEventListener("input", () => update().catch(() => {}));
  more.addEventListener("click", () => {
    limit = Math.min(500, limit * 2);
    update().catch(() => {});
  });
  await update();
  return update;
}

function command(run, number) {
  const outcome = run.ok === null ? "running" : run.ok ? "ok" : "failed";
  return h("details", { class: "command", open: run.ok === false, id: `command-${number}` },
    h("summary", {}, state(outcome), " ", run.undo ? h("em", {}, "undo ") : "", h("code", {}, run.shell.split("\n")[0].slice(0, 160)),
      run.seconds === null ? "" : h("span", { class: "soft" }, ` ${run.seconds.toFixed(2)} s`)),
    h("div", { class: "row" }, copyButton(run.shell), run.exit_code === null ? "" : h("span", { class: "soft" }, `exit ${run.exit_code}`)),
    h("pre", {}, run.shell),
    run.stdout?.trim() && [h("h3", {}, "What it printed"), h("pre", {}, run.stdout)],
    run.stderr?.trim() && [h("h3", {}, "What it said on stderr"), h("pre", {}, run.stderr)],
    run.error && h("p", {}, run.error));
}

export async function operation(view, [id]) {
  const head = h("div");
  const steps = h("section");
  const runs = h("section");
  const script = h("section", {}, h("h2", {}, "Script"), h("p", { class: "soft" }, "What does the same by hand, undo included."));
  view.replaceChildren(head, steps, runs, script);
  const shown = h("div");
  script.append(h("div", { class: "row" },
    h("button", { type: "button", onclick: async () => shown.replaceChildren(h("pre", {}, await text(`/operations/${id}`, "text/x-shellscript"))) }, "Show"),
    h("button", { type: "button", onclick: async (event) => {
      const button = event.currentTarget;
      await navigator.clipboard.writeText(await text(`/operations/${id}`, "text/x-shellscript"));
      button.textContent = "Copied";
    } }, "Copy"),
    h("button", { type: "button", onclick: async () => download(`${id}.sh`, await text(`/operations/${id}`, "text/x-shellscript")) }, "Download")), shown);
  let last = "";
  const update = async () => {
    const now = await get(`/operations/${id}`);
    const text = JSON.stringify(now);
    if (text === last) return;
    last = text;
    show(head, h("h1", {}, now.does), h("section", {}, progressFacts(now)));
    show(steps, h("h2", {}, "Steps"), stepList(now));
    // Those that somebody has opened stay open.
    const open = new Set([...runs.querySelectorAll("details[open]")].map((each) => each.id));
    runs.replaceChildren(h("h2", {}, "Commands that were run"), ...now.commands.map(command));
    for (const each of runs.querySelectorAll("details")) if (open.has(each.id)) each.open = true;
    if (!now.commands.length) runs.append(h("p", { class: "soft" }, "none"));
  };
  await update();
  return update;
}

function progressFacts(now) {
  const left = now.error?.left_behind;
  return [facts([
    ["status", state(now.status)],
    now.host && ["host", h("a", { href: `#/hosts/${encodeURIComponent(now.host)}` }, now.host)],
    now.network && ["network", now.network],
    ["began", time(now.began)],
    now.ended && ["took", `${(now.ended - now.began).toFixed(2)} s`],
    now.phase && ["at", now.phase],
    ["asked for by", `${now.request.client ?? "the agent itself"}, ${now.request.method} ${now.request.path}`],
    now.request.body && ["with", h("pre", {}, JSON.stringify(now.request.body, null, 2))],
    now.error && ["error", now.error.detail],
  ]), now.status === "undone" && h("p", {}, "All that it had made was taken back: nothing of it is left."),
  left?.length && [h("p", {}, "These commands still have to be run; the agent goes on trying:"), h("pre", {}, left.join("\n"))]];
}

// The steps of an operation's plan, and how far each is.
export function stepList(now) {
  return h("ol", { class: "steps" }, now.plan.steps.map((step, i) => {
    const run = now.commands.filter((each) => each.step === i && !each.undo).at(-1);
    const word = !run ? (now.status === "running" ? "waiting" : "not run") : run.ok === null ? "running" : run.ok ? "done" : "failed";
    return h("li", {}, state(word), ` ${step.does}`, word === "running" && now.phase ? h("span", { class: "soft" }, ` ${now.phase}`) : "");
  }));
}

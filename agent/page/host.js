// A host: what it is made of, its screen and console, what it does, and its buttons.

import { blob, change, get, host as path, Problem, text } from "./api.js";
import { confirm, download, facts, h, show, size, state, table, time } from "./dom.js";
import { plot } from "./draw.js";
import { OPERATION_HEADS, operationRows } from "./operations.js";
import { act, powerButtons } from "./power.js";

const KEPT = 150;

export async function hostView(view, [name], rights) {
  const writes = !rights.read_only;
  const part = (title, ...inside) => h("section", {}, h("h2", {}, title), inside);
  const head = h("div");
  const made = h("div");
  const plots = h("div", { class: "plots" });
  const canvas = h("canvas", { class: "screen", width: 640, height: 400, role: "img", "aria-label": `The screen of ${name}` });
  const dark = h("p", { class: "soft" }, "It is off.");
  const terminal = h("pre", { class: "terminal", tabindex: "0", "aria-label": "Serial console" });
  const log = h("div");
  const boot = h("div");
  const media = h("div");
  const snapshots = h("div");
  const past = h("div");
  let now;
  const update = () => refresh();

  const whole = h("div", { class: "row" },
    h("button", { type: "button", onclick: async () => show(log, h("pre", { class: "log", tabindex: "0" }, await text(path(name, "/console")))) }, "Whole log"),
    h("button", { type: "button", onclick: async () => download(`${name}.console.log`, await text(path(name, "/console"))) }, "Download"));
  view.replaceChildren(head,
    h("div", { class: "columns" }, part("Host", made), part("Screen", canvas, dark)),
    h("section", {}, h("h2", {}, "Serial console"), terminal, whole, log),
    part("The last minutes", plots),
    h("div", { class: "columns" }, part("Snapshots", snapshots), part("Media", media), part("Boot order", boot)),
    part("Its operations", past));

  const samples = [];
  async function sample() {
    let used = null;
    try {
      used = now.state === "shut off" ? null : await get(path(name, "/usage"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    samples.push({ at: performance.now() / 1000, used });
    samples.splice(0, samples.length - KEPT);
    const sum = (used, list, field) => used?.[list].reduce((total, each) => total + each[field], 0);
    const rate = (value) => samples.map((each, i) => {
      const before = samples[i - 1];
      if (!before?.used || !each.used) return null;
      return Math.max(0, (value(each.used) - value(before.used)) / (each.at - before.at));
    });
    const last = (row) => row.at(-1) ?? 0;
    const cpu = rate((each) => each.cpu_seconds);
    const read = rate((each) => sum(each, "disks", "read_bytes"));
    const written = rate((each) => sum(each, "disks", "written_bytes"));
    const received = rate((each) => sum(each, "interfaces", "received_bytes"));
    const sent = rate((each) => sum(each, "interfaces", "sent_bytes"));
    const one = (title, said, ...rows) => h("div", {}, h("h3", {}, title), plot(`${title}: ${said}`, ...rows), h("p", {}, said));
    show(plots,
      one("Processor", `${(last(cpu) * 100).toFixed(0)} %`, cpu),
      one("Disk, read and written", `${size(last(read))}/s, ${size(last(written))}/s`, read, written),
      one("Network, received and sent", `${size(last(received))}/s, ${size(last(sent))}/s`, received, sent),
      one("Memory", used ? size(used.memory_bytes) : "off", samples.map((each) => each.used?.memory_bytes ?? null)));
  }

  async function drawScreen() {
    const on = now.state !== "shut off";
    canvas.hidden = !on;
    dark.hidden = on;
    if (!on) return;
    try {
      const picture = await createImageBitmap(await blob(path(name, "/screen")));
      if (canvas.width !== picture.width || canvas.height !== picture.height) Object.assign(canvas, { width: picture.width, height: picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  async function drawConsole() {
    try {
      const shown = await get(path(name, "/console?screen=true"));
      const lines = shown.lines.join("\n").trimEnd();
      const next = lines || "Nothing was printed yet.";
      if (terminal.textContent !== next) terminal.textContent = next;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      terminal.textContent = error.message;
    }
  }

  async function drawSnapshots() {
    const found = await get(path(name, "/snapshots"));
    const rows = found.map((each) => [each.name, state(each.state), time(each.created), writes ? h("div", { class: "row" },
      h("button", { type: "button", "aria-label": `Revert to ${each.name}`, onclick: async (event) => {
        const button = event.currentTarget;
        const lost = h("p", {}, `All that was written to its disks since ${new Date(each.created * 1000).toLocaleString()} is lost${each.state === "running" ? ", and what runs now is replaced by what ran then" : ", and the host is off then"}.`);
        if (await confirm(`Revert ${name} to ${each.name}?`, lost, "Revert")) await act(button, () => change("PUT", path(name, `/snapshots/${encodeURIComponent(each.name)}/revert`)), update);
      } }, "Revert"),
      h("button", { type: "button", class: "danger", "aria-label": `Delete snapshot ${each.name}`, onclick: async (event) => {
        const button = event.currentTarget;
        if (await confirm(`Delete snapshot ${each.name}?`, h("p", {}, "Nobody can go back to it then. The host stays as it is."), "Delete")) await act(button, () => change("DELETE", path(name, `/snapshots/${encodeURIComponent(each.name)}`)), update);
      } }, "Delete")) : ""]);
    show(snapshots.firstElementChild ?? snapshots.appendChild(h("div")), table("", ["name", "state", "made", ""], rows, "none"));
  }

  if (writes) {
    const called = h("input", { id: "snapshot-name", size: 16, required: true, autocomplete: "off" });
    snapshots.append(h("div"), h("form", { class: "row", onsubmit: async (event) => {
      event.preventDefault();
      const button = event.target.querySelector("button");
      await act(button, () => change("POST", path(name, `/snapshots/${encodeURIComponent(called.value.trim())}`)), update);
    } }, h("label", { for: "snapshot-name" }, "New snapshot"), called, h("button", {}, "Take it")));
    const url = h("input", { id: "media-url", type: "url", size: 34, required: true, placeholder: "http://…/disc.iso" });
    media.append(h("div"), h("form", { class: "row", onsubmit: async (event) => {
      event.preventDefault();
      const button = event.target.querySelector("button");
      await act(button, () => change("PUT", path(name, "/media"), { image: url.value.trim() }), update);
    } }, h("label", { for: "media-url" }, "Image"), url, h("button", {}, "Put it in")));
    const order = h("select", { id: "boot-order" }, ["disk,network", "network,disk", "cdrom,disk,network", "disk"].map((each) => h("option", { value: each }, each.replaceAll(",", ", "))));
    boot.append(h("div"), h("form", { class: "row", onsubmit: async (event) => {
      event.preventDefault();
      await act(event.target.querySelector("button"), () => change("PUT", path(name, "/boot"), { boot: order.value.split(",") }), update);
    } }, h("label", { for: "boot-order" }, "From the next start on"), order, h("button", {}, "Set")));
  } else for (const each of [snapshots, media, boot]) each.append(h("div"));

  const remove = async (event) => {
    const button = event.currentTarget;
    const lost = [h("p", {}, "It is stopped, and these are deleted for good:"), h("ul", {}, now.disks.map((disk) => h("li", {}, `${disk.target}, ${disk.size ?? "?"} GB: ${disk.volume ?? "a disk outside the pool, which is kept"}`)), h("li", {}, "its snapshots, its media and its console log"))];
    if (!(await confirm(`Delete ${name}?`, lost, "Delete"))) return;
    await act(button, () => change("DELETE", path(name)), async () => {
      try {
        await refresh();
      } catch (error) {
        if (error.told?.status === 404) location.hash = "#/";
      }
    });
  };
  const again = async (event) => {
    const button = event.currentTarget;
    const where = h("input", { id: "again-url", size: 40, placeholder: "http://…/installer-amd64" });
    const parameters = h("input", { id: "again-cmdline", size: 40 });
    const form = h("div", { class: "fields" }, h("p", {}, "Its installer may overwrite all of its disks. Cards and addresses stay as they are."),
      h("div", { class: "field" }, h("label", { for: "again-url" }, "From"), where, h("small", {}, "a URL of an install tree; empty: from the network (PXE)")),
      h("div", { class: "field" }, h("label", { for: "again-cmdline" }, "Kernel parameters"), parameters));
    if (!(await confirm(`Install ${name} again?`, form, "Install"))) return;
    const body = where.value.trim() ? { location: where.value.trim(), console: true, ...(parameters.value.trim() && { cmdline: parameters.value.trim() }) } : {};
    await act(button, () => change("PUT", path(name, "/install"), body), update);
  };

  async function refresh() {
    now = await get(path(name));
    const installing = now.install?.state === "running";
    show(head, h("div", { class: "row head" }, h("h1", {}, name, " ", state(installing && now.state === "running" ? "installing" : now.state)),
      writes ? h("div", { class: "row" }, powerButtons(name, now.state, update),
        now.state === "shut off" ? h("button", { type: "button", id: "again", onclick: again }, "Install again") : "",
        h("button", { type: "button", id: "delete", class: "danger", onclick: remove }, "Delete")) : ""),
    now.install?.state === "failed" && h("ul", { class: "wrong" }, h("li", {}, `Its install failed: ${now.install.reason}`)));
    show(made, facts([
      ["memory", `${now.memory.toLocaleString()} MB`], ["processors", String(now.vcpus)],
      ["starts with the hypervisor", now.autostart ? "yes" : "no"],
      ["install", now.install ? `${now.install.state}${now.install.location ? ` from ${now.install.location}` : ""}` : "none"],
      ["id", h("code", {}, now.id)],
    ]), table("Cards", ["MAC", "network", "VLAN", "port"], now.interfaces.map((card) => [h("code", {}, card.mac), card.network ?? card.bridge ?? "", [card.vlan, ...(card.trunk ? [`trunk ${card.trunk.join(", ")}`] : [])].filter((each) => each !== null).join(" · "), card.port ?? ""])),
    table("Disks", ["disk", { label: "GB", number: true }, "volume"], now.disks.map((disk) => [disk.target, String(disk.size ?? "?"), disk.volume ?? ""])));
    show(boot.firstElementChild, h("p", {}, now.boot.join(", ") || "as its devices say"));
    show(media.firstElementChild, now.media ? h("div", { class: "row" }, h("span", {}, now.media.image), writes && h("button", { type: "button", id: "eject", onclick: (event) => act(event.currentTarget, () => change("DELETE", path(name, "/media")), update) }, "Take it out")) : h("p", { class: "soft" }, "The drive is empty."));
    await Promise.all([sample(), drawScreen(), drawConsole(), drawSnapshots(), get(`/operations?host=${encodeURIComponent(name)}&limit=8`).then((found) => show(past, table("", OPERATION_HEADS, operationRows(found), "none")))]);
  }
  await refresh();
  return refresh;
}

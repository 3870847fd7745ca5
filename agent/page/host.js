// A host: what it is made of, its screen and console, what it does, and its buttons.

import { act, confirm } from "./act.js";
import { blob, change, get, host as path, picture, Problem, text } from "./api.js";
import { BOOT_ORDERS } from "./create.js";
import { download, facts, h, show, state, table, time } from "./dom.js";
import { field, oneField } from "./forms.js";
import { operationTable } from "./operations.js";
import { allVerbs, powerButtons } from "./power.js";
import { snapshots } from "./snapshots.js";
import { drawUsage } from "./usage.js";

// How often snapshots are looked for that nobody made through the agent: each so many times.
const SELDOM = 8;

export async function hostView(view, [name], { writes }) {
  const [head, made, past, media, boot, log] = Array.from({ length: 6 }, () => h("div"));
  const plots = h("div", { class: "plots" });
  const canvas = h("canvas", { class: "screen", width: 640, height: 400, role: "img", "aria-label": `The screen of ${name}` });
  const dark = h("p", { class: "screen dark" }, "It is off.");
  const terminal = h("pre", { class: "terminal", tabindex: "0", role: "group", "aria-label": "The end of the serial console" });
  const part = (title, ...inside) => h("section", {}, h("h2", {}, title), inside);
  const kept = snapshots(name, writes, () => update());
  let now;
  let found = [];
  let times = 0;
  let turn = 0;
  let newest;

  async function drawScreen() {
    let why = "It is off.";
    if (now.state !== "shut off") {
      try {
        const shown = await createImageBitmap(await picture(path(name, "/screen")));
        const { width, height } = shown;
        if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
        canvas.getContext("2d").drawImage(shown, 0, 0);
        why = "";
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        why = error.message;
      }
    }
    canvas.hidden = why !== "";
    dark.hidden = why === "";
    dark.textContent = why;
  }

  async function drawConsole() {
    let said;
    try {
      const { lines } = await get(path(name, "/console?screen=true"));
      said = lines.join("\n").trimEnd() || "Nothing was printed yet.";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      said = error.message;
    }
    if (terminal.textContent !== said) terminal.textContent = said;
  }

  async function drawPast() {
    const operations = await get(`/operations?host=${encodeURIComponent(name)}&limit=6`);
    show(past, operationTable(operations), h("p", {}, h("a", { href: `#/operations?host=${encodeURIComponent(name)}` }, "All its operations")));
    const last = operations[0] ? `${operations[0].id} ${operations[0].status}` : "";
    if (last !== newest || times % SELDOM === 0) found = await kept.update();
    newest = last;
    times += 1;
  }

  async function remove({ currentTarget: button }) {
    // Somebody may have taken one since they were shown.
    found = await kept.update();
    if (!view.isConnected) return;
    const disk = (each) => h("li", {}, `${each.target}, ${each.size ?? "?"} GB: `, each.volume ?? "outside the agent's pool, and kept");
    const lost = [h("p", {}, "It is stopped, and this is deleted for good:"), h("ul", {}, now.disks.map(disk),
      found.length > 0 && h("li", {}, `its snapshots: ${found.map((each) => each.name).join(", ")}`),
      now.media && h("li", {}, `the copy of ${now.media.image} in its drive`),
      h("li", {}, "its console log"))];
    if (!(await confirm(`Delete ${name}?`, lost, "Delete"))) return;
    await act(button, () => change("DELETE", path(name)), async () => {
      const hosts = await get("/hosts");
      if (view.isConnected && !hosts.some((each) => each.name === name)) location.hash = "#/";
    });
  }

  async function installAgain({ currentTarget: button }) {
    const where = field("From", h("input", { id: "again-location", size: 44, autocomplete: "off", value: now.install?.location ?? "" }), "the URL of an install tree; empty: from the network (PXE)");
    const cmdline = field("Kernel parameters", h("input", { id: "again-cmdline", size: 44, autocomplete: "off" }), "of the installer");
    const lost = [h("p", {}, "Its installer may overwrite all of its disks:"),
      h("ul", {}, now.disks.map((disk) => h("li", {}, `${disk.target}, ${disk.size ?? "?"} GB`))),
      h("p", {}, "Cards and addresses stay as they are."), where.box, cmdline.box];
    if (!(await confirm(`Install ${name} again?`, lost, "Install"))) return;
    const [location, parameters] = [where.input.value.trim(), cmdline.input.value.trim()];
    const body = { ...(location && { location, console: true }), ...(parameters && { cmdline: parameters }) };
    await act(button, () => change("PUT", path(name, "/install"), body), update);
  }

  // Its forms are made once: what was typed into them stays.
  const image = field("Image", h("input", { id: "media-url", size: 30, autocomplete: "off", placeholder: "http://…/disc.iso" }));
  const mediaForm = () => oneField("image", image, "Put it in", () => change("PUT", path(name, "/media"), { image: image.input.value.trim() }), update);
  const order = field("From the next start on", h("select", { id: "boot-order" }, BOOT_ORDERS.map((each) => h("option", {}, each))));
  const bootForm = () => oneField("boot", order, "Set", () => change("PUT", path(name, "/boot"), { boot: order.input.value.split(", ") }), update);
  const eject = ({ currentTarget: button }) => act(button, () => change("DELETE", path(name, "/media")), update);
  const whole = path(name, "/console");

  // Once there is something to see: of a host that is not there only that is said.
  await update();
  if (BOOT_ORDERS.includes(now.boot.join(", "))) order.input.value = now.boot.join(", ");
  view.replaceChildren(head,
    h("div", { class: "columns" },
      part("What it is made of", made),
      part("Screen", canvas, dark)),
    h("div", { class: "columns" },
      part("Serial console", terminal, h("div", { class: "row" },
        h("button", { type: "button", onclick: async () => show(log, h("pre", { class: "terminal whole", tabindex: "0", role: "group", "aria-label": "The whole serial console" }, await text(whole))) }, "Whole log"),
        h("button", { type: "button", onclick: async () => download(`${name}.console.log`, await blob(whole)) }, "Download")), log),
      part("The last minutes", plots)),
    h("div", { class: "columns" }, kept.element, h("section", {}, h("h2", {}, "Media"), media, writes && mediaForm(), h("h2", {}, "Boot order"), boot, writes && bootForm())),
    part("Operations", past));

  function drawHead() {
    const installing = now.install?.state === "running";
    const buttons = () => h("div", { class: "row" }, powerButtons(now, update, allVerbs),
      now.state === "shut off" && h("button", { type: "button", id: "again", onclick: installAgain }, "Install again"),
      h("button", { type: "button", id: "delete", class: "danger", onclick: remove }, "Delete"));
    show(head,
      h("div", { class: "row head" }, h("h1", {}, name, " ", state(installing && now.state === "running" ? "installing" : now.state)), writes && buttons()),
      installing && h("p", { class: "notice" }, "It is being installed", now.install.location && ` from ${now.install.location}`, ", since ", time(now.install.started), ". Its screen and its console show how far it is."),
      now.install?.state === "failed" && h("ul", { class: "wrong" }, h("li", {}, `Its install failed: ${now.install.reason}`)));
  }

  function drawMade() {
    const vlan = (card) => [card.vlan, card.trunk && `trunk ${card.trunk.join(", ")}`].filter((each) => each !== null).join(", ");
    show(made, facts([
      ["memory", `${now.memory.toLocaleString()} MB`], ["processors", String(now.vcpus)],
      ["starts with the hypervisor", now.autostart ? "yes" : "no"],
      ["install", now.install ? [now.install.state, now.install.finished && [", ", time(now.install.finished)]] : "none"],
      ["UUID", h("code", {}, now.id)],
      ["BMC (Redfish)", h("code", {}, `/redfish/v1/Systems/${now.id}`)],
    ]),
    table("Cards", ["MAC", "network", "VLAN", "port"], now.interfaces.map((card) => [card.mac, h("code", {}, card.mac), card.network ?? card.bridge ?? "", vlan(card), card.port ?? ""])),
    table("Disks", ["disk", { label: "GB", number: true }, "volume"], now.disks.map((disk) => [disk.target, disk.target, String(disk.size ?? "?"), disk.volume ?? "outside the agent's pool"])));
    show(boot, h("p", {}, now.boot.join(", ") || "as its devices say"));
    show(media, now.media
      ? h("div", { class: "row" }, h("span", { class: "long" }, now.media.image), writes && h("button", { type: "button", id: "eject", onclick: eject }, "Take it out"))
      : h("p", { class: "soft" }, "The drive is empty."));
  }

  async function update() {
    const mine = (turn += 1);
    const read = await get(path(name));
    // A later one shows what a change has done since.
    if (mine !== turn) return;
    now = read;
    drawHead();
    drawMade();
    await Promise.all([drawUsage(plots, now), drawScreen(), drawConsole(), drawPast()]);
  }
  return update;
}

// A host: its configuration, its screen and console, what it uses, and its buttons.

import { changeButton } from "./act.js";
import { blob, change, get, hostPath, latest, orWhy, picture, text } from "./api.js";
import { download, facts, h, pre, show, state, table, time } from "./dom.js";
import { BOOT_ORDERS, field, oneField, select } from "./forms.js";
import { operationTable } from "./operations.js";
import { allVerbs, powerButtons } from "./power.js";
import { snapshots } from "./snapshots.js";
import { drawUsage } from "./usage.js";

// How often snapshots are looked for that nobody took through the agent: once in so many reads.
const SELDOM = 8;

const CARD_COLUMNS = [
  { label: "MAC", cell: (card) => h("code", {}, card.mac) },
  { label: "network", cell: (card) => card.network ?? card.bridge },
  { label: "VLAN", cell: ({ vlan, trunk }) => [vlan, trunk && `trunk ${trunk.join(", ")}`].filter((each) => each !== null).join(", ") },
  { label: "port", cell: (card) => card.port },
];
const DISK_COLUMNS = [
  { label: "disk", cell: (disk) => disk.target },
  { label: "GB", number: true, cell: (disk) => disk.size ?? "?" },
  { label: "volume", cell: (disk) => disk.volume ?? "outside the agent's pool" },
];

export async function hostView(view, [name], { writes }) {
  const [head, made, past, media, boot, log] = Array.from({ length: 6 }, () => h("div"));
  const plots = h("div", { class: "plots" });
  const canvas = h("canvas", { class: "screen", width: 640, height: 400, role: "img", "aria-label": `The screen of ${name}` });
  const dark = h("p", { class: "screen dark" }, "It is off.");
  const terminal = pre("", { label: "The end of the serial console", class: "terminal" });
  const part = (title, ...inside) => h("section", {}, h("h2", {}, title), inside);
  const kept = snapshots(name, writes, () => update());
  let now;
  let times = 0;
  let newest;

  async function drawScreen() {
    const [png, why] = now.state === "shut off" ? [null, "It is off."] : await orWhy(picture(hostPath(name, "/screen")));
    if (png) {
      const shown = await createImageBitmap(png);
      const { width, height } = shown;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").drawImage(shown, 0, 0);
    }
    canvas.hidden = !png;
    dark.hidden = Boolean(png);
    dark.textContent = why;
  }

  async function drawConsole() {
    const [found, why] = await orWhy(get(hostPath(name, "/console?screen=true")));
    show(terminal, found ? found.lines.join("\n").trimEnd() || "Nothing was printed yet." : why);
  }

  async function drawPast() {
    const operations = await get(`/operations?host=${encodeURIComponent(name)}&limit=6`);
    show(past, operationTable(operations), h("p", {}, h("a", { href: `#/operations?host=${encodeURIComponent(name)}` }, "All its operations")));
    const last = operations[0] ? `${operations[0].id} ${operations[0].status}` : "";
    if (last !== newest || times % SELDOM === 0) await kept.update();
    newest = last;
    times += 1;
  }

  const remove = () => changeButton("Delete", `Delete ${name}`, () => change("DELETE", hostPath(name)), async (done) => {
    if (done && view.isConnected) location.hash = "#/";
  }, {
    danger: true,
    asks: async () => {
      // Somebody may have taken one since they were shown.
      const found = await kept.update();
      const disk = (each) => h("li", {}, `${each.target}, ${each.size ?? "?"} GB: `, each.volume ?? "outside the agent's pool, and kept");
      return [h("p", {}, "It is stopped, and this is deleted for good:"), h("ul", {}, now.disks.map(disk),
        found.length > 0 && h("li", {}, `its snapshots: ${found.map((each) => each.name).join(", ")}`),
        now.media && h("li", {}, `the copy of ${now.media.image} in its drive`),
        h("li", {}, "its console log"))];
    },
  });

  function installAgain() {
    const where = field("From", h("input", { id: "again-location", size: 44, autocomplete: "off", value: now.install?.location ?? "" }), "the URL of an install tree; empty: from the network (PXE)");
    const cmdline = field("Kernel parameters", h("input", { id: "again-cmdline", size: 44, autocomplete: "off" }), "of the installer");
    const body = () => ({ ...(where.value() && { location: where.value(), console: true }), cmdline: cmdline.value() || undefined });
    return changeButton("Install again", `Install ${name} again`, () => change("PUT", hostPath(name, "/install"), body()), update, {
      asks: () => [h("p", {}, "Its installer may overwrite all of its disks:"),
        h("ul", {}, now.disks.map((disk) => h("li", {}, `${disk.target}, ${disk.size ?? "?"} GB`))),
        h("p", {}, "Cards and addresses stay as they are."), where.box, cmdline.box],
    });
  }

  // Its forms are made once: what was typed into them stays.
  const image = field("Image", h("input", { id: "media-url", size: 30, autocomplete: "off", placeholder: "http://…/disc.iso" }));
  const mediaForm = () => oneField("image", image, "Insert", () => change("PUT", hostPath(name, "/media"), { image: image.value() }), () => update());
  const order = field("From the next start on", select(BOOT_ORDERS, { id: "boot-order" }));
  const bootForm = () => oneField("boot", order, "Set", () => change("PUT", hostPath(name, "/boot"), { boot: order.value().split(", ") }), () => update());
  const eject = () => changeButton("Eject", "Eject the image", () => change("DELETE", hostPath(name, "/media")), update);
  const whole = hostPath(name, "/console");

  function drawHead() {
    const installing = now.install?.state === "running";
    const buttons = () => h("div", { class: "row" }, powerButtons(now, update, allVerbs), now.state === "shut off" && installAgain(), remove());
    show(head,
      h("div", { class: "row head" }, h("h1", {}, name, " ", state(installing && now.state === "running" ? "installing" : now.state)), writes && buttons()),
      installing && h("p", { class: "notice" }, "It is being installed", now.install.location && ` from ${now.install.location}`, ", since ", time(now.install.started), ". Its screen and its console show how far it is."),
      now.install?.state === "failed" && h("ul", { class: "wrong" }, h("li", {}, `Its install failed: ${now.install.reason}`)));
  }

  function drawMade() {
    show(made, facts([
      ["memory", `${now.memory.toLocaleString()} MB`], ["processors", String(now.vcpus)],
      ["starts with the hypervisor", now.autostart ? "yes" : "no"],
      ["install", now.install ? [now.install.state, now.install.finished && [", ", time(now.install.finished)]] : "none"],
      ["UUID", h("code", {}, now.id)],
      ["BMC (Redfish)", h("code", {}, `/redfish/v1/Systems/${now.id}`)],
    ]),
    table("Cards", CARD_COLUMNS, now.interfaces, (card) => card.mac),
    table("Disks", DISK_COLUMNS, now.disks, (disk) => disk.target));
    show(boot, h("p", {}, now.boot.join(", ") || "in the order that its devices have"));
    show(media, now.media
      ? h("div", { class: "row" }, h("span", { class: "long" }, now.media.image), writes && eject())
      : h("p", { class: "soft" }, "The drive is empty."));
  }

  const update = latest(() => get(hostPath(name)), async (read) => {
    now = read;
    drawHead();
    drawMade();
    await Promise.all([drawUsage(plots, now), drawScreen(), drawConsole(), drawPast()]);
  });

  // Once there is something to see: of a host that is not there only that is said.
  await update();
  if (BOOT_ORDERS.includes(now.boot.join(", "))) order.input.value = now.boot.join(", ");
  view.replaceChildren(head,
    h("div", { class: "columns" },
      part("Configuration", made),
      part("Screen", canvas, dark)),
    h("div", { class: "columns" },
      part("Serial console", terminal, h("div", { class: "row" },
        h("button", { type: "button", onclick: async () => show(log, pre(await text(whole), { label: "The whole serial console", class: "terminal whole" })) }, "Whole log"),
        h("button", { type: "button", onclick: async () => download(`${name}.console.log`, await blob(whole)) }, "Download")), log),
      part("Usage over the last five minutes", plots)),
    h("div", { class: "columns" }, kept.element, h("section", {}, h("h2", {}, "Media"), media, writes && mediaForm(), h("h2", {}, "Boot order"), boot, writes && bootForm())),
    part("Operations", past));
  return update;
}

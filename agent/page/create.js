// New hosts and networks: a form, the very script that will run, and how far it is.

import { change, get, host, network, Problem, script } from "./api.js";
import { copyButton, h, show } from "./dom.js";
import { stepList } from "./operations.js";

let made = 0;

// A field of a form with its label, and room for what is wrong with it.
function field(label, input, note) {
  input.id ||= `field-${(made += 1)}`;
  const why = h("div", { class: "why", id: `${input.id}-why` });
  input.setAttribute("aria-describedby", why.id);
  return { box: h("div", { class: "field" }, h("label", { for: input.id }, label), input, note && h("small", {}, note), why), input, why };
}

function number(least, most, value) {
  return h("input", { type: "number", min: least, max: most, value, required: true, size: 8 });
}

function check(label, checked = false) {
  const input = h("input", { type: "checkbox", id: `field-${(made += 1)}`, checked });
  return { box: h("label", { class: "check", for: input.id }, input, label), input };
}

// A form whose fields are those of the API. fields: by the API's names. body: makes the request's.
function form({ view, title, fields, parts, body, path, done }) {
  const said = h("div", { role: "alert" });
  const preview = h("div");
  const read = h("button", { type: "submit", value: "script" }, "Read the script first");
  const make = h("button", { type: "submit", value: "make", class: "main" }, "Make it");
  const element = h("form", { class: "fields", novalidate: true }, parts, said, h("div", { class: "row" }, read, make));
  view.replaceChildren(h("h1", {}, title), h("section", {}, element), preview);

  const clear = () => {
    said.replaceChildren();
    for (const { input, why } of Object.values(fields)) {
      input.removeAttribute("aria-invalid");
      why.textContent = "";
    }
  };
  const tell = (error) => {
    if (!(error instanceof Problem)) throw error;
    const left = new Set(error.told.errors ?? []);
    let first;
    for (const [name, { input, why }] of Object.entries(fields)) {
      const found = error.of(name);
      if (!found.length) continue;
      found.forEach((each) => left.delete(each));
      why.textContent = found.map((each) => (each.field === name ? each.detail : `${each.field}: ${each.detail}`)).join("; ");
      input.setAttribute("aria-invalid", "true");
      first ??= input;
    }
    const rest = error.told.errors ? [...left].map((each) => `${each.field}: ${each.detail}`).join("; ") : error.message;
    if (rest) said.replaceChildren(h("p", { class: "why" }, rest));
    first?.focus();
  };
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    read.disabled = make.disabled = true;
    try {
      if (event.submitter === make) await run(await change("POST", path(), body()));
      else {
        const text = await script("POST", path(), body());
        show(preview, h("section", {}, h("div", { class: "row head" }, h("h2", {}, "The script that would run"), copyButton(text)), h("pre", {}, text)));
      }
    } catch (error) {
      tell(error);
    } finally {
      read.disabled = make.disabled = false;
    }
  });
  const run = async (operation) => {
    const progress = h("section", { "aria-live": "polite" });
    preview.replaceChildren(progress);
    progress.scrollIntoView({ block: "nearest" });
    for (;;) {
      const now = await get(`/operations/${operation.id}`);
      show(progress, h("h2", {}, now.does), stepList(now), outcome(now));
      if (!["running", "waiting"].includes(now.status)) {
        if (now.status === "done") location.hash = done();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
}

function outcome(now) {
  if (["running", "waiting", "done"].includes(now.status)) return "";
  const nothing = now.status === "undone" ? "Nothing of it was left." : "";
  return h("div", {},
    h("p", { class: "why" }, now.error?.detail ?? "It failed."), h("p", {}, nothing),
    now.error?.command && [h("p", {}, "The command that failed:"), h("pre", {}, now.error.command), copyButton(now.error.command)],
    h("p", {}, h("a", { href: `#/operations/${now.id}` }, "Everything that was run")));
}

export async function newNetwork(view) {
  const bridges = (await get("/overview")).bridges;
  const name = field("Name", h("input", { required: true, size: 24, autocomplete: "off" }));
  const bridge = field("Bridge", h("select", {}, bridges.map((each) => h("option", {}, each))), "of Open vSwitch");
  const vlan = field("VLAN", h("input", { type: "number", min: 1, max: 4094 }), "whose frames come without a tag; empty for none, with a trunk");
  const trunk = field("Trunk", h("input", { size: 24, placeholder: "20, 30" }), "VLANs that come tagged; empty for access ports");
  form({
    view,
    title: "New network",
    fields: { name, bridge, vlan, trunk },
    parts: [name.box, bridge.box, vlan.box, trunk.box],
    path: () => network(name.input.value.trim() || " "),
    body: () => ({
      bridge: bridge.input.value,
      ...(vlan.input.value && { vlan: Number(vlan.input.value) }),
      ...(trunk.input.value.trim() && { trunk: trunk.input.value.split(",").map((each) => Number(each)) }),
    }),
    done: () => "#/",
  });
  return async () => {};
}

export async function newHost(view) {
  const { networks } = await get("/overview");
  const name = field("Name", h("input", { required: true, size: 30, autocomplete: "off", placeholder: "web.example.com" }), "an RFC 1123 host name");
  const memory = field("Memory", number(1, undefined, 1024), "MB");
  const vcpus = field("Processors", number(1, 255, 1));
  const disks = field("Disks", h("input", { size: 16, value: "8" }), "GB each, sda first, with commas between; empty for none");
  const cards = h("div", { class: "field" });
  const cardsField = { input: h("button", { type: "button", id: "add-card" }, "Add a card"), why: h("div", { class: "why" }) };
  const rows = [];
  const addCard = (chosen) => {
    const of = h("select", { "aria-label": `network of card ${rows.length + 1}` }, networks.map((each) => h("option", { selected: each.name === chosen }, each.name)));
    const mac = h("input", { size: 18, placeholder: "its own MAC", "aria-label": `MAC of card ${rows.length + 1}` });
    const row = { of, mac };
    const box = h("div", { class: "row" }, of, mac, h("button", { type: "button", onclick: () => {
      rows.splice(rows.indexOf(row), 1);
      box.remove();
    } }, "Remove"));
    rows.push(row);
    cards.append(box);
  };
  cardsField.input.addEventListener("click", () => addCard());
  if (networks.length) addCard(networks[0].name);
  const boot = field("Boots from", h("select", {}, ["disk, network", "network, disk", "cdrom, disk, network", "disk"].map((each) => h("option", {}, each))));
  const start = check("Start it", true);
  const autostart = check("Start it with the hypervisor");
  const install = check("Install an operating system");
  const where = field("From", h("input", { size: 50, placeholder: "http://deb.debian.org/debian/dists/bookworm/main/installer-amd64" }), "a URL of an install tree; empty: from the network (PXE)");
  const cmdline = field("Kernel parameters", h("input", { size: 50 }), "of the installer");
  const serial = check("Installer on the serial console", true);
  const after = field("When it has ended", h("select", {}, h("option", { value: "" }, "as the settings say"), h("option", { value: "start" }, "start the host"), h("option", { value: "off" }, "leave it off")));
  const installs = h("fieldset", { hidden: true }, h("legend", {}, "Install"), where.box, cmdline.box, serial.box, after.box);
  install.input.addEventListener("change", () => {
    installs.hidden = !install.input.checked;
    start.input.disabled = install.input.checked;
  });
  form({
    view,
    title: "New host",
    fields: { name, memory, vcpus, disks, networks: cardsField, boot, location: where, cmdline, after_install: after },
    parts: [
      name.box, memory.box, vcpus.box, disks.box,
      h("fieldset", {}, h("legend", {}, "Cards"), networks.length ? "" : h("p", { class: "soft" }, "There is no network yet."), cards, cardsField.why, networks.length ? h("div", {}, cardsField.input) : ""),
      boot.box, start.box, autostart.box, install.box, installs,
    ],
    path: () => host(name.input.value.trim() || " "),
    body: () => ({
      memory: Number(memory.input.value),
      vcpus: Number(vcpus.input.value),
      disks: disks.input.value.split(",").map((each) => each.trim()).filter(Boolean).map(Number),
      networks: rows.map(({ of, mac }) => (mac.value.trim() ? { network: of.value, mac: mac.value.trim() } : of.value)),
      boot: boot.input.value.split(", "),
      autostart: autostart.input.checked,
      ...(install.input.checked
        ? {
            install: true,
            ...(where.input.value.trim() && { location: where.input.value.trim(), console: serial.input.checked }),
            ...(cmdline.input.value.trim() && { cmdline: cmdline.input.value.trim() }),
            ...(after.input.value && { after_install: after.input.value }),
          }
        : { start: start.input.checked }),
    }),
    done: () => `#/hosts/${encodeURIComponent(name.input.value.trim())}`,
  });
  return async () => {};
}

// New hosts and networks: a form, the very script that will run, and how far it is.

import { change, dryRun, ended, get, health, hostPath, networkPath, Problem } from "./api.js";
import { copyButton, h, pre, show, size } from "./dom.js";
import { BOOT_ORDERS, check, field, mark, number, numbers, select } from "./forms.js";
import { outcome, stepList } from "./operations.js";

// What was typed into a form, by its title, until it has created something: it is there on return.
const drafts = new Map();

const text = (size, more = {}) => h("input", { size, autocomplete: "off", ...more });
const whole = (value = "") => text(8, { inputmode: "numeric", value });

// fields: by the agent's names. parts: the form's content. path, body: return those of the request. done:
// returns where to go afterwards.
function form(view, title, { fields, parts, path, body, done }) {
  const said = h("div", { role: "alert" });
  const beside = h("section", { "aria-live": "polite" },
    h("h2", {}, "The script that would run"),
    h("p", { class: "soft" }, "“Read the script” shows every command, and how each is taken back should one fail. Nothing is made by it."));
  const read = h("button", {}, "Read the script");
  const make = h("button", { class: "main" }, "Create it");
  const element = h("form", { class: "fields", novalidate: true }, parts, said, h("div", { class: "row" }, read, make));
  view.replaceChildren(h("h1", {}, title), h("div", { class: "columns" }, h("section", {}, element), beside));
  // Without those of cards, which come and go.
  const inputs = [...element.querySelectorAll("input, select")].filter((each) => !each.closest(".cards"));
  const what = (input) => (input.type === "checkbox" ? "checked" : "value");
  element.oninput = () => drafts.set(title, { values: inputs.map((each) => each[what(each)]), cards: fields.networks?.rows() });
  const { values, cards } = drafts.get(title) ?? {};
  fields.networks?.restore(cards);
  if (values) {
    inputs.forEach((each, i) => {
      each[what(each)] = values[i];
      // For what it shows and hides; this does not bubble.
      each.dispatchEvent(new Event("input"));
    });
  }
  const busy = (is) => [read, make].forEach((each) => (each.ariaBusy = is ? "true" : null));

  element.onsubmit = async (event) => {
    event.preventDefault();
    if (make.ariaBusy === "true") return;
    busy(true);
    mark(fields);
    said.replaceChildren();
    try {
      if (event.submitter === make) {
        const [there, draft] = [done(), drafts.get(title)];
        await run(await change("POST", path(), body()), there, draft);
      } else {
        const lines = await dryRun("POST", path(), body());
        show(beside,
          h("div", { class: "row head" }, h("h2", {}, "The script that would run"), copyButton(lines)),
          h("p", { class: "soft" }, "Nothing was made. The UUID in it is a new one each time."),
          pre(lines, { label: "Script", class: "tall" }));
        beside.scrollIntoView({ block: "nearest" });
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const rest = mark(fields, error);
      if (rest) said.replaceChildren(h("p", { class: "why" }, rest));
    } finally {
      busy(false);
    }
  };
  const run = async ({ id }, there, draft) => {
    const all = () => h("p", {}, h("a", { href: `#/operations/${id}` }, "Everything that was run"));
    beside.replaceChildren(all());
    const end = await ended(id, (now, lost) => show(beside,
      h("h2", {}, now.does), lost && h("p", { class: "why" }, `How far it is cannot be read: ${lost}`), stepList(now), outcome(now), all()));
    // Unless another one was begun in it meanwhile.
    if (end.status === "done" && drafts.get(title) === draft) drafts.delete(title);
    if (!element.isConnected) return;
    if (end.status === "done") location.hash = there;
    else beside.scrollIntoView({ block: "nearest" });
  };
}

function mayNot(view, title, why) {
  view.replaceChildren(h("h1", {}, title), h("p", {}, why));
}

export async function newNetwork(view, _, rights) {
  if (!rights.networks) return mayNot(view, "New network", "Your token may change no network.");
  const { bridges } = await get("/overview");
  const name = field("Name", text(24));
  const bridge = field("Bridge", select(bridges), "of Open vSwitch");
  const vlan = field("VLAN", whole(), "1 to 4094, whose frames come without a tag; empty for none beside a trunk");
  const trunk = field("Trunk", text(24, { placeholder: "20, 30" }), "VLANs that come tagged; empty for access ports");
  form(view, "New network", {
    fields: { name, bridge, vlan, trunk },
    parts: [name.box, bridge.box, vlan.box, trunk.box],
    path: () => networkPath(name.value()),
    body: () => ({
      bridge: bridge.value(),
      vlan: vlan.value() ? number(vlan.value()) : undefined,
      trunk: trunk.value() ? numbers(trunk.value()) : undefined,
    }),
    done: () => "#/",
  });
}

// The cards of a new host: a network each, and perhaps a MAC.
function cardFields(networks) {
  const rows = h("div", { class: "cards" });
  const add = h("button", { type: "button", id: "add-card", onclick: () => {
    addRow().querySelector("select").focus();
    changed();
  } }, "Add a card");
  const why = h("div", { class: "why", id: "cards-why" });
  const changed = () => rows.dispatchEvent(new Event("input", { bubbles: true }));
  const addRow = (name, mac = "") => {
    const row = h("div", { class: "row" },
      h("select", { "aria-label": "Network of the card" }, networks.map((each) => h("option", { value: each.name, selected: each.name === name }, each.name, each.vlan === null ? "" : ` (VLAN ${each.vlan})`))),
      text(17, { value: mac, placeholder: "MAC: from its name", "aria-label": "MAC of the card" }),
      h("button", { type: "button", "aria-label": "Remove the card", onclick: () => {
        row.remove();
        add.focus();
        changed();
      } }, "Remove"));
    rows.append(row);
    return row;
  };
  const pairs = () => [...rows.children].map((row) => [row.querySelector("select").value, row.querySelector("input").value.trim()]);
  const none = h("p", {}, "There is no network that is active yet. ", h("a", { href: "#/new/network" }, "Make one"));
  return {
    box: h("fieldset", { "aria-describedby": why.id }, h("legend", {}, "Cards"), networks.length ? "" : none, rows, why, networks.length ? h("div", {}, add) : ""),
    input: add,
    why,
    // Nobody could have chosen any before there was a network.
    rows: () => (networks.length ? pairs() : undefined),
    // Those whose networks are still there; without any that were kept, one of the first network.
    restore: (kept = networks.slice(0, 1).map((each) => [each.name])) => kept
      .filter(([name]) => networks.some((each) => each.name === name))
      .forEach(([name, mac]) => addRow(name, mac)),
    value: () => pairs().map(([name, mac]) => (mac ? { network: name, mac } : name)),
  };
}

export async function newHost(view, _, rights) {
  if (!rights.writes) return mayNot(view, "New host", "Your token is read-only: it may change nothing.");
  const [{ networks, memory: all }, { pool }] = await Promise.all([get("/overview"), health()]);
  const room = pool.available_bytes === undefined ? "" : `; ${size(pool.available_bytes)} are free in the pool`;
  const name = field("Name", text(30, { placeholder: "web.example.com" }), "an RFC 1123 host name");
  const memory = field("Memory, MB", whole(1024), `the hypervisor has ${all.toLocaleString()}`);
  const vcpus = field("Processors", whole(1));
  const disks = field("Disks, GB", text(16, { value: "8" }), `sda first, with commas between; empty for none${room}`);
  const cards = cardFields(networks.filter((each) => each.state === "active"));
  const boot = field("Boots from", select(BOOT_ORDERS));
  const start = check("Start it when it is made", true);
  const autostart = check("Start it with the hypervisor");
  const install = check("Install an operating system");
  const where = field("From", text(50, { placeholder: "http://…/dists/bookworm/main/installer-amd64" }), "the URL of an install tree; empty: from the network (PXE)");
  const cmdline = field("Kernel parameters", text(50), "of the installer");
  const serial = check("Installer on the serial console", true);
  const after = field("Afterwards", h("select", {}, h("option", { value: "" }, "as the settings say"), h("option", { value: "start" }, "start the host"), h("option", { value: "off" }, "leave it off")));
  const installs = h("fieldset", { hidden: true }, h("legend", {}, "Install"), where.box, cmdline.box, serial.box, after.box);
  install.input.oninput = () => {
    installs.hidden = !install.input.checked;
    start.box.hidden = install.input.checked;
  };
  form(view, "New host", {
    fields: { name, memory, vcpus, disks, networks: cards, boot, location: where, cmdline, after_install: after },
    parts: [
      name.box,
      h("div", { class: "row top" }, memory.box, vcpus.box),
      disks.box, cards.box, boot.box,
      h("div", {}, start.box, autostart.box, install.box), installs,
    ],
    path: () => hostPath(name.value()),
    body: () => ({
      memory: number(memory.value()),
      vcpus: number(vcpus.value()),
      disks: numbers(disks.value()),
      networks: cards.value(),
      boot: boot.value().split(", "),
      autostart: autostart.input.checked,
      ...(install.input.checked
        ? {
            install: true,
            ...(where.value() && { location: where.value(), console: serial.input.checked }),
            cmdline: cmdline.value() || undefined,
            after_install: after.value() || undefined,
          }
        : { start: start.input.checked }),
    }),
    done: () => `#${hostPath(name.value())}`,
  });
}

// What there is on this hypervisor, and what is wrong with it.

import { act, confirm } from "./act.js";
import { change, get, health, network as path, TokenNeeded } from "./api.js";
import { byName, h, show, size, state, table } from "./dom.js";
import { networkPicture } from "./draw.js";
import { powerButtons } from "./power.js";

const PARTS = { libvirt: "libvirt", pool: "The pool", openvswitch: "Open vSwitch", journal: "The journal" };
// How many hosts are found without a filter.
const FEW = 20;
// How long a health that was well is believed, in ms.
const BELIEVED = 10000;

const hostLink = (name) => h("a", { href: `#/hosts/${encodeURIComponent(name)}` }, name);
const shownState = (host) => (host.install?.state === "running" && host.state === "running" ? "installing" : host.state);

// What is wrong, the worst first: each is how bad it is, and what to say of it.
function problems(now, healthy, error) {
  const found = [];
  if (error) found.push(["bad", `Hosts and networks cannot be read: ${error.message}`]);
  for (const [part, called] of Object.entries(PARTS)) {
    const { status, detail, unsettled = [] } = healthy[part];
    if (status !== "ok") found.push(["bad", `${called} is failing: ${detail} `, unsettled.map((id) => [h("a", { href: `#/operations/${id}` }, "What was run"), " "])]);
  }
  for (const host of now.hosts) {
    if (host.state === "crashed") found.push(["bad", "Host ", hostLink(host.name), " has crashed"]);
    if (host.install?.state === "failed") found.push(["bad", "The install of ", hostLink(host.name), ` failed: ${host.install.reason}`]);
  }
  for (const network of now.networks) {
    // libvirt's own default network is off on most hypervisors, and nobody misses it.
    if (network.state !== "active" && cards(now, network)) found.push(["warn", `Network ${network.name} is inactive: hosts on it cannot start`]);
  }
  if (now.stale_ports.length) found.push(["warn", `Stale ports, which a crash left on their VLANs: ${now.stale_ports.join(", ")}`]);
  const { capacity_bytes: capacity, available_bytes: room } = healthy.pool;
  if (capacity && room / capacity < 0.05) found.push(["warn", `The pool is almost full: ${size(room)} are left`]);
  return found;
}

const cards = (now, network) => now.hosts.flatMap((host) => host.interfaces).filter((card) => card.network === network.name).length;

const installed = ({ install }) => (install ? `${install.state}${install.reason ? `: ${install.reason}` : ""}` : "");
const networksOf = (host) => [...new Set(host.interfaces.map((card) => card.network ?? card.bridge ?? "?"))].join(", ");

// How hosts are sorted, by the label of the head.
const SORTS = {
  name: byName,
  state: (a, b) => shownState(a).localeCompare(shownState(b)),
  memory: (a, b) => a.memory - b.memory,
  processors: (a, b) => a.vcpus - b.vcpus,
};

export async function overview(view, _, rights) {
  const [wrong, tiles, picture, hosts, networks] = Array.from({ length: 5 }, () => h("div"));
  const filter = h("input", { id: "filter", type: "search", size: 24, autocomplete: "off", oninput: () => draw() });
  const filters = h("div", { class: "row filter", hidden: true }, h("label", { for: "filter" }, "Only hosts whose name or network has"), filter);
  const sorted = { by: "name", down: false };
  const whole = [
    h("h1", {}, "Overview"), wrong, tiles,
    h("section", { "aria-labelledby": "networks" }, h("h2", { id: "networks" }, "Networks and VLANs"), picture,
      h("p", { class: "soft legend" }, h("span", { class: "dot" }), " runs ", h("span", { class: "dot off" }), " is off; the colour is that of the VLAN")),
    h("section", {}, filters, hosts),
    h("section", {}, networks),
  ];
  let now = { hosts: [], networks: [], bridges: [], stale_ports: [] };
  let healthy;
  let believed = 0;
  let turn = 0;

  const heads = () => ["name", "state", "memory", "processors", "networks", "install"].map((label) => ({
    label,
    number: label === "memory" || label === "processors",
    sort: SORTS[label] && (() => {
      sorted.down = sorted.by === label && !sorted.down;
      sorted.by = label;
      draw();
    }),
  }));

  function draw() {
    const by = SORTS[sorted.by];
    const text = filter.value.trim().toLowerCase();
    filters.hidden = now.hosts.length <= FEW;
    const rows = now.hosts
      .filter((host) => filters.hidden || !text || `${host.name} ${networksOf(host)}`.toLowerCase().includes(text))
      .sort((a, b) => (sorted.down ? -1 : 1) * by(a, b) || byName(a, b))
      .map((host) => [
        host.id, hostLink(host.name), state(shownState(host)), `${host.memory.toLocaleString()} MB`, String(host.vcpus), networksOf(host), installed(host),
        ...(rights.writes ? [h("div", { class: "row" }, powerButtons(host, update))] : []),
      ]);
    const power = rights.writes ? [{ label: "power", quiet: true }] : [];
    show(hosts, table("Hosts", [...heads(), ...power], rows, now.hosts.length ? "No host is like that." : "There is no host yet.", sorted));
  }

  function removeButton(network) {
    return h("button", { type: "button", class: "danger", id: `delete ${network.name}`, "aria-label": `Delete network ${network.name}`, onclick: async ({ currentTarget: button }) => {
      const where = [network.bridge && `on bridge ${network.bridge}`, network.vlan !== null && `VLAN ${network.vlan}`, network.trunk && `trunk ${network.trunk.join(", ")}`].filter(Boolean).join(", ");
      const lost = h("p", {}, `Its definition is lost${where && `: ${where}`}. No host uses it.`);
      if (await confirm(`Delete network ${network.name}?`, lost, "Delete")) await act(button, () => change("DELETE", path(network.name)), update);
    } }, "Delete");
  }

  function drawNetworks() {
    const rows = now.networks.toSorted(byName).map((network) => [
      network.id, network.name, state(network.state), network.bridge ?? "", network.vlan === null ? "" : String(network.vlan),
      network.trunk ? network.trunk.join(", ") : "", String(cards(now, network)),
      ...(rights.networks ? [cards(now, network) ? "" : removeButton(network)] : []),
    ]);
    const actions = rights.networks ? [{ label: "actions", quiet: true }] : [];
    show(networks, table("Networks", ["name", "state", "bridge", "VLAN", "trunk", { label: "cards", number: true }, ...actions], rows, "There is no network yet."));
  }

  function drawTop(error) {
    const found = problems(now, healthy, error);
    const well = () => h("li", { class: "well" }, "Nothing is wrong on this hypervisor: libvirt, the pool, Open vSwitch and the journal respond.");
    show(wrong, h("ul", { class: "wrong", "aria-label": "What is wrong" }, found.length ? found.map(([kind, ...said]) => h("li", { class: kind }, said)) : well()));
    const run = now.hosts.filter((host) => host.state !== "shut off");
    const given = run.reduce((total, host) => total + host.memory, 0);
    const room = healthy.pool.available_bytes;
    show(tiles, h("dl", { class: "tiles" }, [
      ["hosts", now.hosts.length],
      ["run", run.length],
      ["being installed", now.hosts.filter((host) => host.install?.state === "running").length],
      ["networks", now.networks.length],
      [`memory given, of ${size((now.memory ?? 0) * 2 ** 20)}`, size(given * 2 ** 20)],
      ["free in the pool", room === undefined ? "?" : size(room)],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))));
  }

  async function update() {
    const mine = (turn += 1);
    const asked = [get("/overview")];
    if (performance.now() > believed) asked.push(health());
    const [read, looked] = await Promise.allSettled(asked);
    // A later one shows what a change has done since.
    if (mine !== turn) return;
    const lost = [read, looked].find((each) => each?.reason instanceof TokenNeeded) ?? (looked?.reason && looked);
    if (lost) throw lost.reason;
    healthy = looked?.value ?? healthy;
    now = read.value ?? now;
    // What is wrong is looked at again at once.
    believed = read.value && healthy.status === "ok" ? (looked ? performance.now() + BELIEVED : believed) : 0;
    // Once there is something to see; the picture wants to know its room.
    if (!wrong.isConnected) view.replaceChildren(...whole);
    drawTop(read.reason);
    const none = h("p", { class: "soft" }, "There is no network yet. ", rights.networks && h("a", { href: "#/new/network" }, "Make one"));
    show(picture, now.networks.length || now.bridges.length ? networkPicture(now, picture.clientWidth) : none);
    draw();
    drawNetworks();
    if (read.reason) throw read.reason;
  }
  await update().catch((error) => {
    // What is wrong has been said; that much there is to see.
    if (!healthy) throw error;
  });
  return update;
}

// What there is on this hypervisor, and what is wrong with it.

import { changeButton } from "./act.js";
import { change, get, health, hostPath, latest, networkPath, TokenNeeded } from "./api.js";
import { byName, h, show, size, state, table } from "./dom.js";
import { networkPicture } from "./draw.js";
import { powerButtons } from "./power.js";

const PARTS = { libvirt: "libvirt", pool: "The pool", openvswitch: "Open vSwitch", journal: "The journal" };
// How many hosts need no filter.
const FEW = 20;
// For how long a good health is not read again, in ms.
const HEALTH_FOR = 10000;

const hostLink = (name) => h("a", { href: `#${hostPath(name)}` }, name);
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

// Of the table of hosts. order: how a press on the label sorts them.
const HOST_COLUMNS = [
  { label: "name", cell: (host) => hostLink(host.name), order: byName },
  { label: "state", cell: (host) => state(shownState(host)), order: (a, b) => shownState(a).localeCompare(shownState(b)) },
  { label: "memory", cell: (host) => `${host.memory.toLocaleString()} MB`, number: true, order: (a, b) => a.memory - b.memory },
  { label: "processors", cell: (host) => String(host.vcpus), number: true, order: (a, b) => a.vcpus - b.vcpus },
  { label: "networks", cell: networksOf },
  { label: "install", cell: installed },
];

export async function overview(view, _, rights) {
  const [wrong, tiles, picture, hosts, networks] = Array.from({ length: 5 }, () => h("div"));
  const filter = h("input", { id: "filter", type: "search", size: 24, autocomplete: "off", oninput: () => drawHosts() });
  const filters = h("div", { class: "row filter", hidden: true }, h("label", { for: "filter" }, "Filter by name or network"), filter);
  let sorted = { by: "name", down: false };
  const whole = [
    h("h1", {}, "Overview"), wrong, tiles,
    h("section", { "aria-labelledby": "networks" }, h("h2", { id: "networks" }, "Networks and VLANs"), picture,
      h("p", { class: "soft legend" }, h("span", { class: "dot" }), " runs ", h("span", { class: "dot off" }), " is off; the colour is that of the VLAN")),
    h("section", {}, filters, hosts),
    h("section", {}, networks),
  ];
  let now = { hosts: [], networks: [], bridges: [], stale_ports: [] };
  let healthy;
  let healthUntil = 0;

  function drawHosts() {
    const { order } = HOST_COLUMNS.find(({ label }) => label === sorted.by);
    const text = filter.value.trim().toLowerCase();
    filters.hidden = now.hosts.length <= FEW;
    const found = now.hosts
      .filter((host) => filters.hidden || !text || `${host.name} ${networksOf(host)}`.toLowerCase().includes(text))
      .sort((a, b) => (sorted.down ? -1 : 1) * order(a, b) || byName(a, b));
    const sortBy = (label) => () => {
      sorted = { by: label, down: sorted.by === label && !sorted.down };
      drawHosts();
    };
    const columns = HOST_COLUMNS.map((column) => ({ ...column, sort: column.order && sortBy(column.label) }));
    const power = { label: "power", quiet: true, cell: (host) => h("div", { class: "row" }, powerButtons(host, update)) };
    const empty = now.hosts.length ? "No host matches." : "There is no host yet.";
    show(hosts, table("Hosts", [...columns, rights.writes && power], found, ({ id }) => id, { empty, sorted }));
  }

  function removeButton({ name, bridge, vlan, trunk }) {
    const where = [bridge && `on bridge ${bridge}`, vlan !== null && `VLAN ${vlan}`, trunk && `trunk ${trunk.join(", ")}`].filter(Boolean).join(", ");
    return changeButton("Delete", `Delete network ${name}`, () => change("DELETE", networkPath(name)), update, {
      danger: true,
      asks: () => h("p", {}, `Its definition is lost${where && `: ${where}`}. No host uses it.`),
    });
  }

  function drawNetworks() {
    show(networks, table("Networks", [
      { label: "name", cell: (network) => network.name },
      { label: "state", cell: (network) => state(network.state) },
      { label: "bridge", cell: (network) => network.bridge },
      { label: "VLAN", cell: (network) => network.vlan },
      { label: "trunk", cell: (network) => network.trunk?.join(", ") },
      { label: "cards", number: true, cell: (network) => cards(now, network) },
      rights.networks && { label: "actions", quiet: true, cell: (network) => !cards(now, network) && removeButton(network) },
    ], now.networks.toSorted(byName), ({ id }) => id, { empty: "There is no network yet." }));
  }

  function drawTop(error) {
    const found = problems(now, healthy, error);
    const well = () => h("li", { class: "well" }, "Nothing is wrong on this hypervisor: libvirt, the pool, Open vSwitch and the journal respond.");
    show(wrong, h("ul", { class: "wrong", "aria-label": "What is wrong" }, found.length ? found.map(([kind, ...said]) => h("li", { class: kind }, said)) : well()));
    const on = now.hosts.filter((host) => host.state !== "shut off");
    const given = on.reduce((total, host) => total + host.memory, 0);
    const room = healthy.pool.available_bytes;
    show(tiles, h("dl", { class: "tiles" }, [
      ["hosts", now.hosts.length],
      ["powered on", on.length],
      ["being installed", now.hosts.filter((host) => host.install?.state === "running").length],
      ["networks", now.networks.length],
      [`memory given, of ${size((now.memory ?? 0) * 2 ** 20)}`, size(given * 2 ** 20)],
      ["free in the pool", room === undefined ? "?" : size(room)],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))));
  }

  const update = latest(() => {
    const asked = [get("/overview")];
    if (performance.now() > healthUntil) asked.push(health());
    return Promise.allSettled(asked);
  }, ([read, looked]) => {
    const lost = [read, looked].find((each) => each?.reason instanceof TokenNeeded) ?? (looked?.reason && looked);
    if (lost) throw lost.reason;
    if (looked) [healthy, healthUntil] = [looked.value, performance.now() + HEALTH_FOR];
    // What is wrong is looked at again at once.
    if (read.reason || healthy.status !== "ok") healthUntil = 0;
    now = read.value ?? now;
    // Once there is something to see; the picture has to know its width.
    if (!wrong.isConnected) view.replaceChildren(...whole);
    drawTop(read.reason);
    const none = h("p", { class: "soft" }, "There is no network yet. ", rights.networks && h("a", { href: "#/new/network" }, "Make one"));
    show(picture, now.networks.length || now.bridges.length ? networkPicture(now, picture.clientWidth) : none);
    drawHosts();
    drawNetworks();
    if (read.reason) throw read.reason;
  });
  await update().catch((error) => {
    // What is wrong has been said; that much there is to see.
    if (!healthy) throw error;
  });
  return update;
}

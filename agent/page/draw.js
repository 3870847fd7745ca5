// Pictures: the networks with the hosts' cards on them, and small plots.

import { hostPath } from "./api.js";
import { byName, svg } from "./dom.js";

// A card is as wide as the longest name needs, within these, in pixels.
const CHIP = { least: 128, most: 230, height: 26, gap: 8 };
const LEFT = 230;
const PAD = 12;
// Of a letter, on average.
const LETTER = 7.4;

// The colour of a VLAN, always the same: by the golden angle, neighbours in number are far apart in hue.
function colour(vlan) {
  return vlan === null ? "hsl(215 12% 55%)" : `hsl(${Math.round((vlan * 137.508) % 360)} 62% 48%)`;
}

function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

// A host's name that has at most so many letters: its domain goes first, then what is in the middle,
// since names that begin the same are often told apart by their ends.
function short(name, most) {
  const label = name.length <= most ? name : name.split(".")[0];
  const end = Math.floor(most / 2);
  return label.length <= most ? label : `${label.slice(0, most - end - 1)}…${label.slice(-end)}`;
}

// The lanes of a bridge: one for each set of VLANs, with the networks and the cards that are on it.
function lanes(networks, hosts) {
  const found = new Map();
  const lane = (bridge, vlan, trunk) => {
    const key = `${bridge} ${vlan} ${trunk ?? ""}`;
    if (!found.has(key)) found.set(key, { bridge, vlan, trunk, networks: [], cards: [] });
    return found.get(key);
  };
  for (const each of networks) lane(each.bridge, each.vlan, each.trunk).networks.push(each);
  for (const host of hosts.toSorted(byName)) {
    for (const card of host.interfaces) lane(card.bridge, card.vlan, card.trunk).cards.push({ host, card });
  }
  const trunks = (lane) => (lane.trunk ? 1 : 0);
  return [...found.values()].sort((a, b) =>
    (a.bridge === null) - (b.bridge === null) || String(a.bridge).localeCompare(String(b.bridge)) || trunks(a) - trunks(b) || (a.vlan ?? -1) - (b.vlan ?? -1));
}

// A trunk may have its untagged VLAN among the others.
const tagged = ({ vlan, trunk }) => trunk.filter((each) => each !== vlan);

function name(lane) {
  if (lane.trunk) return `Trunk ${[lane.vlan === null ? [] : `${lane.vlan} untagged`, tagged(lane)].flat().join(", ")}`;
  return lane.vlan === null ? "No VLAN" : `VLAN ${lane.vlan}`;
}

// A card, as a link to its host. vlan: whose colour it has.
function chip({ host, card }, vlan, x, y, width) {
  const on = host.state !== "shut off";
  const bad = host.state === "crashed" || host.install?.state === "failed";
  return svg("a", { href: `#${hostPath(host.name)}`, "data-key": card.mac, class: `${on ? "on" : "off"} ${bad ? "bad" : ""}` },
    svg("title", {}, `${host.name}, ${host.state}, ${card.mac}`),
    svg("rect", { class: "chip", x, y, width, height: CHIP.height, rx: 6 }),
    svg("circle", { cx: x + 13, cy: y + CHIP.height / 2, r: 4.5, fill: on ? colour(vlan) : "none", stroke: colour(vlan), "stroke-width": 1.5 }),
    svg("text", { x: x + 24, y: y + 17.5 }, short(host.name, Math.floor((width - 30) / LETTER))));
}

// The picture of all bridges, VLANs and cards. width: of the place that it has, in pixels.
export function networkPicture({ networks, hosts, bridges, stale_ports: stale }, width) {
  const inner = Math.max(320, width);
  const narrow = inner < 560;
  const left = narrow ? 14 : LEFT;
  const room = inner - left - 2 * PAD;
  const longest = Math.max(...hosts.map((host) => host.name.length * LETTER + 34), 0);
  const wanted = narrow ? CHIP.least : Math.min(CHIP.most, Math.max(CHIP.least, longest));
  const columns = Math.max(1, Math.floor((room + CHIP.gap) / (wanted + CHIP.gap)));
  const wide = narrow ? (room + CHIP.gap) / columns - CHIP.gap : wanted;
  const parts = [];
  let y = 0;
  const heading = (text) => {
    parts.push(svg("text", { class: "title", x: 0, y: y + 15 }, text));
    y += 26;
  };
  const draw = (lane) => {
    const vlans = lane.trunk ? [lane.vlan ?? [], tagged(lane)].flat() : [lane.vlan];
    const head = narrow ? 40 : 0;
    const rows = Math.ceil(lane.cards.length / columns);
    const height = Math.max(48, rows * (CHIP.height + CHIP.gap) + CHIP.gap + 6 + head);
    parts.push(svg("rect", { class: "lane", x: 14, y, width: inner - 15, height, rx: 7 }));
    vlans.forEach((vlan, i) => parts.push(svg("rect", { x: 14, y: y + (i * height) / vlans.length, width: 7, height: height / vlans.length, fill: colour(vlan) })));
    const inactive = lane.networks.some((each) => each.state !== "active");
    const title = lane.networks.map((each) => each.name).join(", ") || "no network";
    parts.push(svg("text", { class: "title", x: 32, y: y + 20 }, cut(name(lane), 24), svg("title", {}, name(lane))));
    parts.push(svg("text", { class: inactive ? "soft warn" : "soft", x: 32, y: y + 37 }, cut(inactive ? `${title} (inactive)` : title, 28), svg("title", {}, title)));
    if (!lane.cards.length && !narrow) parts.push(svg("text", { class: "soft", x: left + PAD, y: y + 29 }, "no cards"));
    const top = y + head + (narrow ? CHIP.gap - 2 : (height - rows * (CHIP.height + CHIP.gap) + CHIP.gap) / 2);
    lane.cards.forEach((each, i) => parts.push(chip(each, vlans[0] ?? null,
      left + PAD + (i % columns) * (wide + CHIP.gap), top + Math.floor(i / columns) * (CHIP.height + CHIP.gap), wide)));
    y += height + 8;
  };
  const byBridge = Map.groupBy(lanes(networks, hosts), (lane) => lane.bridge);
  for (const bridge of bridges) if (!byBridge.has(bridge)) byBridge.set(bridge, []);
  for (const [bridge, inside] of byBridge) {
    heading(bridge === null ? "On no bridge" : inside.length ? `Bridge ${bridge}` : `Bridge ${bridge}, without networks`);
    const top = y;
    inside.forEach(draw);
    if (inside.length) parts.push(svg("rect", { class: "bar", x: 0, y: top, width: 5, height: y - top - 8, rx: 2 }));
    y += inside.length ? 6 : 0;
  }
  if (stale.length) {
    heading("Stale ports, left by a crash");
    const across = Math.max(1, Math.floor((inner - 14) / 168));
    stale.forEach((port, i) => parts.push(svg("g", { class: "stale" },
      svg("rect", { x: 14 + (i % across) * 168, y: y + Math.floor(i / across) * 34, width: 160, height: CHIP.height, rx: 6 }),
      svg("text", { x: 24 + (i % across) * 168, y: y + Math.floor(i / across) * 34 + 17.5 }, cut(port, 22)))));
    y += Math.ceil(stale.length / across) * 34;
  }
  const label = `${networks.length} networks, ${hosts.length} hosts; the tables below say the same`;
  return svg("svg", { class: "picture", viewBox: `0 0 ${inner} ${Math.max(y - 8, 20)}`, role: "group", "aria-label": label }, parts);
}

// A plot of one or two rows of numbers over time. ages: of each number in seconds, oldest first; the plot begins
// `span` seconds ago. A number is null where nothing is known. most: what the plot's height is.
export function plot(label, most, span, ages, rows) {
  const paths = rows.map((row, i) => {
    const points = row.map((value, at) => value !== null && `${(300 - (ages[at] * 300) / span).toFixed(1)} ${(60 - (value / (most || 1)) * 56).toFixed(1)}`);
    const d = points.map((point, at) => (point ? `${points[at - 1] ? "L" : "M"}${point}` : "")).join("");
    return svg("path", { d, class: i ? "second" : "first" });
  });
  return svg("svg", { class: "plot", viewBox: "0 0 300 64", preserveAspectRatio: "none", role: "img", "aria-label": label }, paths);
}

// Pictures: the networks with the hosts' cards on them, and small plots.

import { svg } from "./dom.js";

const CHIP = { width: 150, height: 26, gap: 8 };
const LEFT = 230;
const PAD = 12;

// A colour for a VLAN: neighbours in number are far apart on the wheel, and it is always the same.
export function hue(vlan) {
  return Math.round((vlan * 137.508) % 360);
}

function colour(vlan) {
  return vlan === null ? "hsl(215 12% 55%)" : `hsl(${hue(vlan)} 62% 48%)`;
}

function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
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
  for (const host of hosts) {
    for (const card of host.interfaces) lane(card.bridge, card.vlan, card.trunk).cards.push({ host, card });
  }
  const order = (each) => [each.bridge ?? "~", each.trunk ? 1 : 0, each.vlan ?? -1];
  return [...found.values()].sort((a, b) => {
    const [x, y] = [order(a), order(b)];
    return x < y ? -1 : String(x[0]).localeCompare(String(y[0])) || x[1] - y[1] || x[2] - y[2];
  });
}

function name(lane) {
  if (lane.trunk) return `Trunk ${[lane.vlan !== null ? `${lane.vlan} untagged,` : "", lane.trunk.join(", ")].filter(Boolean).join(" ")}`;
  return lane.vlan === null ? "No VLAN" : `VLAN ${lane.vlan}`;
}

// The picture of all bridges, VLANs and cards. width: of the place that it has, in pixels.
export function networkPicture({ networks, hosts, stale_ports: stale }, width) {
  const inner = Math.max(320, width);
  const left = inner < 560 ? 0 : LEFT;
  const columns = Math.max(1, Math.floor((inner - left - 2 * PAD - 14) / (CHIP.width + CHIP.gap)));
  const parts = [];
  let y = 0;
  let bridge;
  let bridgeTop = 0;
  const endBridge = () => {
    if (bridge !== undefined) parts.push(svg("rect", { class: "bar", x: 0, y: bridgeTop, width: 5, height: Math.max(0, y - bridgeTop - 8), rx: 2 }));
  };
  for (const lane of lanes(networks, hosts)) {
    if (lane.bridge !== bridge) {
      endBridge();
      y += bridge === undefined ? 0 : 10;
      bridge = lane.bridge;
      parts.push(svg("text", { class: "title", x: 0, y: y + 15 }, bridge === null ? "On no bridge" : `Bridge ${bridge}`));
      y += 26;
      bridgeTop = y;
    }
    const head = left ? 0 : 38;
    const rows = Math.max(1, Math.ceil(lane.cards.length / columns));
    const height = Math.max(left ? 48 : 20, rows * (CHIP.height + CHIP.gap) + CHIP.gap) + head;
    const x = 14;
    const vlans = lane.trunk ? [lane.vlan, ...lane.trunk].filter((each) => each !== null) : [lane.vlan];
    parts.push(svg("rect", { class: "lane", x, y, width: inner - x - 1, height, rx: 7 }));
    vlans.forEach((vlan, i) => parts.push(svg("rect", { x, y: y + (i * height) / vlans.length, width: 7, height: height / vlans.length, fill: colour(vlan) })));
    parts.push(svg("text", { class: "title", x: x + 18, y: y + 20 }, cut(name(lane), 27)));
    const inactive = lane.networks.filter((each) => each.state !== "active");
    const title = lane.networks.map((each) => each.name).join(", ") || "no network";
    parts.push(svg("text", { class: "soft", x: x + 18, y: y + 37 }, cut(title + (inactive.length ? " (inactive)" : ""), 30), svg("title", {}, title)));
    if (!lane.cards.length) parts.push(svg("text", { class: "soft", x: (left || 14) + PAD + 4, y: y + head + (left ? 29 : 16) }, left ? "no cards" : ""));
    lane.cards.forEach(({ host, card }, i) => {
      const cx = (left || x) + PAD + (i % columns) * (CHIP.width + CHIP.gap);
      const cy = y + head + CHIP.gap + Math.floor(i / columns) * (CHIP.height + CHIP.gap);
      const on = host.state !== "shut off";
      parts.push(svg("a", { href: `#/hosts/${encodeURIComponent(host.name)}`, class: on ? "on" : "off" },
        svg("title", {}, `${host.name}, ${host.state}, ${card.mac}`),
        svg("rect", { class: "chip", x: cx, y: cy, width: CHIP.width, height: CHIP.height, rx: 6 }),
        svg("circle", { cx: cx + 12, cy: cy + CHIP.height / 2, r: 4.5, fill: on ? colour(lane.trunk ? (lane.vlan ?? lane.trunk[0]) : lane.vlan) : "none", stroke: colour(lane.trunk ? (lane.vlan ?? lane.trunk[0]) : lane.vlan), "stroke-width": 1.5 }),
        svg("text", { x: cx + 23, y: cy + 17.5 }, cut(host.name, 18))));
    });
    y += height + 8;
  }
  endBridge();
  stale.forEach((port, i) => {
    const cx = 14 + (i % Math.max(1, Math.floor((inner - 20) / 168))) * 168;
    if (i === 0) {
      parts.push(svg("text", { class: "title", x: 0, y: y + 18 }, "Stale ports, left by a crash"));
      y += 26;
    }
    parts.push(svg("g", { class: "stale" },
      svg("rect", { x: cx, y, width: 160, height: CHIP.height, rx: 6 }),
      svg("text", { x: cx + 10, y: y + 17.5 }, cut(port, 22))));
  });
  if (stale.length) y += CHIP.height + 8;
  const label = `${networks.length} networks, ${hosts.length} hosts; the tables below say the same`;
  return svg("svg", { class: "picture", viewBox: `0 0 ${inner} ${Math.max(y, 20)}`, role: "group", "aria-label": label }, parts);
}

// A plot of one or two rows of numbers, oldest first; null where nothing is known.
export function plot(label, ...rows) {
  const most = Math.max(1e-9, ...rows.flat().filter((each) => each !== null));
  const paths = rows.map((row, i) => {
    let pen = "M";
    const d = row.map((value, x) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${((x * 300) / Math.max(1, row.length - 1)).toFixed(1)} ${(60 - (value / most) * 56).toFixed(1)}`;
      pen = "L";
      return point;
    }).join("");
    return svg("path", { d, class: i ? "second" : "first" });
  });
  return svg("svg", { class: "plot", viewBox: "0 0 300 64", preserveAspectRatio: "none", role: "img", "aria-label": label }, paths);
}

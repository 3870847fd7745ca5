// What there is on this hypervisor, and what is wrong with it.

import { get } from "./api.js";
import { h, show, size, state, table } from "./dom.js";
import { networkPicture } from "./draw.js";
import { powerButtons } from "./power.js";

const hostLink = (name) => h("a", { href: `#/hosts/${encodeURIComponent(name)}` }, name);

function problems({ hosts, networks, stale_ports: stale }, health) {
  const found = [];
  for (const part of ["libvirt", "pool", "openvswitch", "journal"]) {
    if (health[part].status !== "ok") found.push(["bad", `${{ openvswitch: "Open vSwitch" }[part] ?? part} is failing: ${health[part].detail}`]);
  }
  for (const host of hosts) {
    if (host.state === "crashed") found.push(["bad", "Host ", hostLink(host.name), " has crashed"]);
    if (host.install?.state === "failed") found.push(["bad", "The install of ", hostLink(host.name), ` failed: ${host.install.reason}`]);
  }
  for (const network of networks) {
    // libvirt's own default network is off on most hypervisors, and nobody misses it.
    const used = hosts.some((host) => host.interfaces.some((card) => card.network === network.name));
    if (network.state !== "active" && used) found.push(["warn", `Network ${network.name} is inactive: hosts on it cannot start`]);
  }
  if (stale.length) found.push(["warn", `Stale ports, which a crash left on their VLANs: ${stale.join(", ")}`]);
  const { capacity_bytes: capacity, available_bytes: room } = health.pool;
  if (capacity && room / capacity < 0.05) found.push(["warn", `The pool is almost full: ${size(room)} are left`]);
  return found;
}

export async function overview(view, _, rights) {
  const wrong = h("div");
  const tiles = h("div");
  const picture = h("div");
  const hosts = h("div");
  const networks = h("div");
  view.replaceChildren(
    h("h1", {}, "Overview"), wrong, tiles,
    h("section", { "aria-labelledby": "networks" }, h("h2", { id: "networks" }, "Networks and VLANs"), picture),
    h("section", {}, hosts),
    h("section", {}, networks));
  let health;
  let read = -1e9;
  let drawn = "";
  const update = async () => {
    const now = await get("/overview");
    if (performance.now() - read > 10000) {
      // A health that is failing is a 503 with the same body.
      health = await get("/health").catch((error) => (error.told?.pool ? error.told : Promise.reject(error)));
      read = performance.now();
    }
    const found = problems(now, health);
    const on = now.hosts.filter((host) => host.state !== "shut off").length;
    show(wrong, h("ul", { class: "wrong", "aria-label": "What is wrong" }, found.length
      ? found.map(([kind, ...said]) => h("li", { class: kind }, said))
      : h("li", { class: "well" }, "Nothing is wrong on this hypervisor.")));
    const installing = now.hosts.filter((host) => host.install?.state === "running").length;
    show(tiles, h("dl", { class: "tiles" }, [
      ["hosts", now.hosts.length], ["run", on], ["being installed", installing], ["networks", now.networks.length],
      ["free in the pool", health.pool.available_bytes === undefined ? "?" : size(health.pool.available_bytes)],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))));
    const key = JSON.stringify([now.hosts, now.networks, now.stale_ports, picture.clientWidth]);
    if (key !== drawn) {
      drawn = key;
      show(picture, now.networks.length || now.hosts.length ? networkPicture(now, picture.clientWidth) : h("p", { class: "soft" }, "There is no network yet. ", rights.read_only ? "" : h("a", { href: "#/new/network" }, "Make one")));
    }
    const rows = now.hosts.map((host) => [
      hostLink(host.name),
      host.install?.state === "running" && host.state === "running" ? state("installing") : state(host.state),
      `${host.memory.toLocaleString()} MB`,
      String(host.vcpus),
      [...new Set(host.interfaces.map((card) => card.network ?? card.bridge ?? "?"))].join(", "),
      host.install ? `${host.install.state}${host.install.reason ? `: ${host.install.reason}` : ""}` : "",
      rights.read_only ? "" : powerButtons(host.name, host.state, update, false),
    ]);
    show(hosts, table("Hosts", ["name", "state", { label: "memory", number: true }, { label: "processors", number: true }, "networks", "install", "power"], rows, "There is no host yet."));
    show(networks, table("Networks", ["name", "state", "bridge", "VLAN", "trunk", "cards"], now.networks.map((network) => [
      network.name, state(network.state), network.bridge ?? "", network.vlan === null ? "" : String(network.vlan),
      network.trunk ? network.trunk.join(", ") : "",
      String(now.hosts.flatMap((host) => host.interfaces).filter((card) => card.network === network.name).length),
    ]), "There is no network yet."));
  };
  await update();
  return update;
}

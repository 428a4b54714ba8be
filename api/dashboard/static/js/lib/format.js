/** Numbers and times as people read them. */

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Digits that a value needs to be told to three figures. */
function figures(value, digits = 3) {
  return value === 0 ? "0" : String(Number(value.toPrecision(digits)));
}

export function count(value) {
  return value === null || value === undefined ? NONE : whole.format(value);
}

export function short(value) {
  return value === null || value === undefined ? NONE : compact.format(value);
}

export function decimal(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(digits - 2);
  return figures(value, digits);
}

export function percent(share, digits = 1) {
  return share === null || share === undefined ? NONE : `${(100 * share).toFixed(digits)} %`;
}

/** Seconds, from microseconds to days. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${figures(seconds * 1e6)} µs`;
  if (seconds < 1) return `${figures(seconds * 1e3)} ms`;
  if (seconds < 60) return `${figures(seconds)} s`;
  const all = Math.round(seconds);
  if (all < 3600) return `${Math.floor(all / 60)} min ${all % 60} s`;
  if (all < 86400) return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
  return `${Math.floor(all / 86400)} d ${Math.floor((all % 86400) / 3600)} h`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at ? figures(value) : value} ${units[at]}`;
}

export function ago(moment, now = Date.now()) {
  if (!moment) return NONE;
  const seconds = Math.max(0, (now - Date.parse(moment)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export function moment(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : NONE;
}

export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
}

export function shape(sizes) {
  return sizes ? sizes.join(" × ") || "scalar" : "";
}

export function digest(text) {
  return text.startsWith("sha256:") ? `${text.slice(7, 19)}…` : text;
}

/** The address after `#` is the view: #/jobs/06h0…?tab=plan. */

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decode);
  return { name: parts[0] || "overview", parts: parts.slice(1), query: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a view; empty values are left out. */
export function to(name, parts = [], query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const path = ["#", ...(name === "overview" ? [] : [name]), ...parts.map(encodeURIComponent)].join("/");
  const whole = path === "#" ? "#/" : path;
  return given.length ? `${whole}?${new URLSearchParams(given)}` : whole;
}

/**
 * Show the view of the address, now and whenever it changes. Each view has a signal that ends when
 * it is left: requests, streams and timers hang on it.
 */
export function route(show) {
  let leaving = new AbortController();
  const go = () => {
    leaving.abort();
    leaving = new AbortController();
    show(parse(location.hash), leaving.signal);
  };
  addEventListener("hashchange", go);
  go();
  return go;
}

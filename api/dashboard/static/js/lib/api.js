/** The public HTTP API: requests, problems, bytes, event streams. */

const STORED = "convq-key";
const MOST_BUFFERED = 1 << 20;

/** What the service answered instead of what was asked for (RFC 9457). */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `status ${status}`);
    this.status = status;
    this.code = document.code || "";
    this.field = document.field || null;
    this.accepted = document.accepted || null;
    this.retryAfter = 0;
  }
}

/** Tells of `key` (a key is wanted), `up` and `down` (whether the service answers). */
export const signals = new EventTarget();

export const key = {
  get: () => sessionStorage.getItem(STORED) || "",
  set: (text) => sessionStorage.setItem(STORED, text),
  forget: () => sessionStorage.removeItem(STORED),
};

let answering = true;

function tell(isAnswering) {
  if (isAnswering === answering) return;
  answering = isAnswering;
  signals.dispatchEvent(new Event(answering ? "up" : "down"));
}

/** Send a request and return the response, or throw a Problem. */
export async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const all = new Headers(headers);
  if (key.get()) all.set("Authorization", `Bearer ${key.get()}`);
  let response;
  try {
    response = await fetch(path, { method, body, headers: all, signal, cache: method === "GET" ? "no-cache" : "no-store" });
  } catch (error) {
    if (error.name !== "AbortError") tell(false);
    throw error;
  }
  tell(response.status !== 503);
  if (response.ok) return response;
  if (response.status === 401) signals.dispatchEvent(new Event("key"));
  throw await problem(response);
}

async function problem(response) {
  let document = {};
  try {
    document = await response.json();
  } catch {
    document = { title: response.statusText };
  }
  const found = new Problem(response.status, document);
  found.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return found;
}

/** Ask for JSON. */
export async function get(path, signal) {
  const response = await send(path, { signal, headers: { Accept: "application/json" } });
  return response.json();
}

/** Change something; the answer is JSON, or null where there is none. */
export async function change(method, path, document, { headers = {}, signal } = {}) {
  const typed = document === undefined ? headers : { ...headers, "Content-Type": "application/json" };
  const body = document === undefined ? undefined : JSON.stringify(document);
  const response = await send(path, { method, body, headers: typed, signal });
  return response.status === 204 ? null : response.json();
}

export const post = (path, document, options) => change("POST", path, document, options);

/** Post, and where the service asks to wait do so: for work on many jobs. */
export async function postPolitely(path, signal) {
  for (;;) {
    try {
      return await post(path, undefined, { signal });
    } catch (error) {
      if (error.status !== 429 && error.status !== 503) throw error;
      await pause(1000 * Math.max(1, error.retryAfter), signal);
    }
  }
}

/** Upload a file; returns its artifact. */
export async function upload(file, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  const response = await send("/v1/artifacts", { method: "POST", body: file, headers, signal });
  return response.json();
}

/** Fetch bytes in the form that `accept` names; null asks for the stored form. */
export async function bytes(path, accept, signal, headers = {}) {
  return send(path, { signal, headers: accept ? { ...headers, Accept: accept } : headers });
}

/**
 * Yield the events of a job until it has ended: {id, event, data}. A stream that breaks is taken
 * up where it was.
 */
export async function* events(job, signal) {
  let last = "";
  let wait = 500;
  while (!signal.aborted) {
    let response;
    try {
      const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
      response = await send(`/v1/jobs/${job}/events`, { headers, signal });
    } catch (error) {
      if (error.name === "AbortError" || (error.status && error.status < 500 && error.status !== 429)) throw error;
      await pause(wait, signal);
      wait = Math.min(10_000, 2 * wait);
      continue;
    }
    if (response.status === 204) return;
    try {
      for await (const event of parsed(response.body)) {
        if (event.id) last = event.id;
        wait = 500;
        yield event;
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
      await pause(wait, signal);
    }
  }
}

async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer += value.replaceAll("\r\n", "\n");
      if (buffer.length > MOST_BUFFERED) throw new Error("an event is too long");
      let end;
      while ((end = buffer.indexOf("\n\n")) >= 0) {
        const event = one(buffer.slice(0, end));
        buffer = buffer.slice(end + 2);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function one(text) {
  const found = { id: "", event: "", data: "" };
  for (const line of text.split("\n")) {
    const at = line.indexOf(": ");
    const name = line.slice(0, at);
    if (at > 0 && name in found) found[name] += line.slice(at + 2);
  }
  return found.data ? { ...found, data: JSON.parse(found.data) } : null;
}

/** Wait, unless the signal ends it: then throw as an aborted request does. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
  });
}

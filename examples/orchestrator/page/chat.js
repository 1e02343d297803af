"use strict";
// Whatever a model or a person said is put into the page as text, never as markup.
const talk = document.getElementById("talk");
const form = document.getElementById("ask");
const field = document.getElementById("message");
const send = form.querySelector("button");
const state = document.getElementById("state");
const standIn = document.getElementById("stand-in");
const session = "page-" + crypto.getRandomValues(new Uint32Array(2)).join("-");
let socket = null;
let open = null;

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function add(kind) {
  const said = element("div", "said " + kind);
  const text = element("p");
  if (kind === "own") said.append(text);
  else { const card = element("div", "answer waiting"); card.append(text); said.append(card); }
  talk.append(said);
  talk.scrollTop = talk.scrollHeight;
  return text;
}

function seen(list, name, value, kind) {
  if (value === null || value === undefined || value === "") return;
  const row = element("div");
  row.append(element("dt", "", name), element("dd", kind || "", String(value)));
  list.append(row);
}

function name(model) {
  return model.replace(/^anthropic\./, "").split("@")[0];
}

function course(calls) {
  const told = each => each.status + (each.retry_count ? " after " + each.retry_count + (each.retry_count === 1 ? " retry" : " retries") : "");
  return calls.map(told).join(", then ");
}

function finish(frame) {
  const card = open.parentElement;
  card.classList.remove("waiting");
  open.textContent = frame.answer;
  const list = element("dl", "seen");
  const last = frame.calls[frame.calls.length - 1];
  const budget = frame.budget;
  const fit = budget.action === "none" ? "" : ", " + budget.action;
  seen(list, "model", name(last.model_id) + (last.fallback_of ? " (fallback)" : ""), last.fallback_of ? "warn" : "");
  seen(list, "calls", frame.calls.length > 1 || last.retry_count ? course(frame.calls) : "", "warn");
  seen(list, "prompt", "arm " + frame.arm + ", " + frame.prompt_version);
  seen(list, "intent", frame.intent.replace("_", " "));
  seen(list, "budget", budget.utilization_pct + " % (at most " + budget.upper_pct + " %)" + fit, budget.status === "normal" ? "" : "warn");
  seen(list, "score", frame.quality.score === null ? "" : frame.quality.score.toFixed(2));
  seen(list, "schema", frame.quality.schema_valid ? "" : "broken", "bad");
  seen(list, "support", frame.quality.hallucination_risk ? "says what the passages do not" : "", "bad");
  seen(list, "exchange", frame.quality.confusion_detected ? "confused" : "", "warn");
  seen(list, "sources", frame.sources.join(", "));
  seen(list, "time", Math.round(frame.elapsed_ms) + " ms, " + Math.round(frame.model_ms) + " in the model");
  seen(list, "trace", frame.trace_id.slice(-12));
  card.append(list);
  done();
}

function fail(title, detail, frame) {
  if (!open) return;
  open.textContent = title + (detail ? ". " + detail : "");
  open.parentElement.classList.remove("waiting");
  open.parentElement.classList.add("failed");
  if (frame?.trace_id) {
    const list = element("dl", "seen");
    seen(list, "calls", course(frame.calls), "warn");
    seen(list, "trace", frame.trace_id.slice(-12));
    open.parentElement.append(list);
  }
  done();
}

function done() {
  open = null;
  send.disabled = false;
  field.focus();
  talk.scrollTop = talk.scrollHeight;
  look();
}

function connect() {
  return new Promise((resolve, reject) => {
    if (socket && socket.readyState === WebSocket.OPEN) { resolve(socket); return; }
    socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws");
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error("no connection"));
    socket.onclose = () => fail("The connection was closed", "Ask again.");
    socket.onmessage = event => {
      const frame = JSON.parse(event.data);
      if (!open) return;
      if (frame.type === "text") { open.textContent += frame.text; talk.scrollTop = talk.scrollHeight; }
      else if (frame.type === "answer") finish(frame);
      else fail(frame.title, frame.detail, frame);
    };
  });
}

async function ask(text) {
  if (open || !text.trim()) return;
  document.getElementById("hello")?.remove();
  add("own").textContent = text;
  open = add("");
  send.disabled = true;
  try { (await connect()).send(JSON.stringify({session_id: session, message: text})); }
  catch (error) { fail("The service does not answer", "Is it still running?"); }
}

async function look() {
  try {
    const told = await (await fetch("/health")).json();
    const notClosed = told.breakers.filter(each => each.state !== "closed");
    const causes = notClosed.map(each => name(each.name) + " is " + each.state.replace("_", " "));
    const drift = told.drift && "p95 " + told.drift.p95_drift + " on " + told.drift.day;
    if (drift && told.drift.alert) causes.push("drift alert, " + drift);
    if (told.status === "attention" && !causes.length) causes.push("records were lost");
    state.className = told.status;
    state.textContent = causes.join("; ") || (drift ? "drift " + drift : told.documents + " documents");
    standIn.hidden = !told.stand_in;
  } catch (error) { state.className = ""; state.textContent = "no connection"; }
}

form.addEventListener("submit", event => { event.preventDefault(); const text = field.value; field.value = ""; ask(text); });
field.addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
});
document.querySelectorAll(".try button").forEach(each => each.addEventListener("click", () => ask(each.textContent)));
setInterval(() => document.hidden || look(), 5000);
look();
field.focus();

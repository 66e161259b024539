// The page: takes a file, asks the worker, shows the answers. What comes from a model is only ever set as text.
const MOST = 128 * 2 ** 20; // bytes of a model: the browser's Python has 32-bit memory
const SHARES = ["ram", "arena", "flash", "macs"];
const LABELS = { ram: "RAM", arena: "arena", flash: "flash", macs: "MACs" };
const ORDER = ["error", "unsupported", "fail", "pass"];
const at = (id) => document.getElementById(id);
const say = (text, bad = false, kind = "") => {
  at("state").textContent = text;
  at("state").dataset.kind = kind;
  at("state").classList.toggle("bad", bad);
};

let worker;
let model; // { name, data }
let turn = 0; // answers to an older model are dropped
let asked = 0;
const waiting = new Map();

function ask(what, given = {}) {
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, ask: what, ...given });
  });
}

function begin() {
  if (typeof WebAssembly !== "object") {
    say("This browser has no WebAssembly, which the checker needs. Use a current Firefox, Chrome, Edge or Safari, or `pip install` mcuplan.", true);
    return;
  }
  try {
    // A worker made of a blob has this page's policy too: it can load the page's own files and reach nobody else.
    const start = `import ${JSON.stringify(new URL("./worker.js", location.href).href)};`;
    worker = new Worker(URL.createObjectURL(new Blob([start], { type: "text/javascript" })), { type: "module" });
  } catch {
    say("This browser runs no module workers, which the checker needs: use a current one.", true);
    return;
  }
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error === undefined ? resolve(answer) : reject(new Error(error));
  };
  worker.onerror = () => say("The checker could not be started: a file of this page is missing, or it was opened from disk instead of a web server.", true);
  say("Starting Python in this browser (some 10 MB, once) ...");
  ask("start").then((about) => {
    at("versions").textContent = `mcuplan ${about.mcuplan}, Python ${about.python}, ${about.boards.length} boards`;
    at("file").disabled = false;
    at("drop").classList.add("ready");
    say("Ready: drop a model.", false, "ready");
  }, (error) => say(`The checker could not be started: ${error.message}`, true));
}

async function take(file) {
  if (!file || at("file").disabled) return;
  const mine = ++turn;
  at("verdicts").hidden = at("report").hidden = true;
  if (file.size > MOST) {
    say(`${shown(file.name)} has ${megabytes(file.size)}; models of up to ${megabytes(MOST)} can be read here.`, true);
    return;
  }
  say(`Reading ${shown(file.name)} ...`);
  model = { name: file.name, data: await file.arrayBuffer() };
  let found;
  try {
    found = await ask("examine", model);
  } catch (error) {
    found = { error: error.message };
  }
  if (mine !== turn) return;
  if (found.error !== undefined) {
    say(shown(found.error), true);
    return;
  }
  showVerdicts(found);
  await showReport(at("board").value);
}

function showVerdicts({ report, wrong }) {
  window.mcuplan = { report }; // for whoever scripts the page
  const rows = report.results.map((result, index) => ({ result, wrong: wrong[index] }));
  // What fails comes first, the fullest before others.
  rows.sort((a, b) => ORDER.indexOf(a.result.verdict) - ORDER.indexOf(b.result.verdict) || fullest(b.result) - fullest(a.result));
  at("rows").replaceChildren(...rows.map(row));
  at("board").replaceChildren(new Option("no board: the rule of thumb", ""), ...rows.map(({ result }) => new Option(result.board_name, result.board)));
  at("board").value = closest(rows).result.board;
  const passed = rows.filter(({ result }) => result.verdict === "pass").length;
  at("summary").textContent = `Fits ${passed} of ${rows.length} boards`;
  at("verdicts").hidden = false;
  say(`${shown(model.name)}: fits ${passed} of ${rows.length} boards.`, false, "done");
}

// The board of which the report tells most: the one that is missed by least, else the one that fits most tightly.
function closest(rows) {
  const missed = rows.filter(({ result }) => result.verdict === "fail");
  return missed.at(-1) ?? rows.find(({ result }) => result.verdict === "pass") ?? rows[0];
}

const fullest = (result) => Math.max(0, ...result.limits.rules.map((rule) => rule.figure / rule.limit));

function row({ result, wrong }) {
  const line = document.createElement("tr");
  line.dataset.board = result.board;
  line.dataset.verdict = result.verdict;
  const verdict = cell(line, result.verdict.toUpperCase());
  verdict.className = `verdict ${result.verdict}`;
  const choose = document.createElement("button");
  choose.type = "button";
  choose.textContent = result.board_name;
  choose.title = `Report for ${result.board_name}`;
  choose.onclick = () => showReport(result.board);
  cell(line, "").append(choose);
  for (const name of SHARES.slice(0, 1).concat("flash")) {
    const rule = result.limits.rules.find((each) => each.resource === name);
    const share = cell(line, rule ? `${Math.round((100 * rule.figure) / rule.limit)}%` : "–");
    share.className = "number";
    if (rule) share.title = `${LABELS[name]}: ${rule.figure.toLocaleString("en")} of ${rule.limit.toLocaleString("en")} bytes`;
  }
  cell(line, wrong ? shown(wrong, 300) : "").className = "wrong";
  return line;
}

function cell(line, text) {
  const made = document.createElement("td");
  made.textContent = text;
  line.append(made);
  return made;
}

async function showReport(board) {
  const mine = turn;
  at("board").value = board;
  at("report").hidden = false;
  at("frame").removeAttribute("srcdoc");
  delete at("frame").dataset.board;
  at("working").hidden = false;
  try {
    const html = await ask("page", { ...model, board });
    if (mine !== turn || at("board").value !== board) return;
    at("frame").srcdoc = html; // sandboxed, and with a policy of its own that lets nothing out
    at("frame").dataset.board = board;
  } catch (error) {
    say(`The report could not be made: ${shown(error.message)}`, true);
  } finally {
    at("working").hidden = true;
  }
}

// Names and sentences with what could hide or reorder text taken out, and bounded.
function shown(text, most = 200) {
  const clean = String(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
  return clean.length > most ? `${clean.slice(0, most / 2)}...${clean.slice(-most / 2)}` : clean;
}

const megabytes = (size) => `${(size / 1e6).toFixed(1)} MB`;

at("file").onchange = ({ target }) => take(target.files[0]);
at("board").onchange = ({ target }) => showReport(target.value);
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
}
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
begin();

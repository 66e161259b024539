// Python in a thread of its own, so that the page stays alive while it works. Nothing here asks another host.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const SITE = "/site";
let python;
let inPython; // the bytes of a JavaScript buffer as a memoryview

async function bytes(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path} is missing from this copy of the page`);
  return response.arrayBuffer();
}

async function start() {
  const pyodide = await loadPyodide({ indexURL: new URL("./pyodide/", import.meta.url).href });
  pyodide.FS.mkdir(SITE);
  pyodide.unpackArchive(await bytes("./site-packages.zip"), "zip", { extractDir: SITE });
  pyodide.runPython(`import sys; sys.path.insert(0, "${SITE}")`);
  inPython = (data) => pyodide.toPy(new Uint8Array(data));
  python = pyodide.pyimport("page");
  return JSON.parse(python.about());
}

const answers = {
  start,
  examine: ({ name, data }) => JSON.parse(python.examine(name, inPython(data))),
  page: ({ name, data, board }) => python.page(name, inPython(data), board),
};

self.onmessage = async ({ data: { id, ask, ...given } }) => {
  try {
    self.postMessage({ id, answer: await answers[ask](given) });
  } catch (error) {
    // The last line of a Python traceback is the sentence; the rest is for a console.
    console.error(error);
    self.postMessage({ id, error: String(error.message ?? error).trim().split("\n").pop() });
  }
};

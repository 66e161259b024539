// Runs models on the 32-bit TFLM of the `mcufit` wheel, each on an instance of its own.
//
// Usage: node child_wasm.cjs TFLM_JS FOLDER...   Reads model.tflite in each folder; all that TFLM says goes to stderr,
// after a line "=== FOLDER" for each model.
const fs = require("node:fs");
const path = require("node:path");

async function main(program, folders) {
  const create = require(program);
  for (const folder of folders) {
    const lines = [`=== ${folder}`];
    const keep = (text) => lines.push(text);
    const instance = await create({ print: keep, printErr: keep });
    instance.FS.writeFile("/model.tflite", fs.readFileSync(path.join(folder, "model.tflite")));
    try {
      instance.callMain(["/model.tflite"]);
    } catch (end) {
      // An exit status is thrown even on a clean end; anything else is TFLM's failure.
      if (end.name !== "ExitStatus") keep(String(end));
    }
    fs.writeSync(2, lines.join("\n") + "\n");
  }
}

main(process.argv[2], process.argv.slice(3));

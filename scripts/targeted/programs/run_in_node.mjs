// Runs a test set in Node: PACKAGE SET RESULTS, with the node_modules of the working directory.

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { runSet } from "./run_set.mjs";

const [name, folder, results] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(process.cwd(), "package.json")));
const ort = { ...(await import(pathToFileURL(require.resolve(name)))).default };
ort.provider = name === "onnxruntime-web" ? "wasm" : "cpu";
const versions = { [name]: ort.env.versions[name.replace("onnxruntime-", "")], node: process.version };
const answers = join(results, "answers.jsonl");
writeFileSync(answers, "");
await runSet(ort, versions, {
  read: (file) => new Uint8Array(readFileSync(join(folder, file))).buffer,
  write: (file, bytes) => writeFileSync(join(results, file), bytes),
  tell: (answer) => appendFileSync(answers, `${JSON.stringify(answer)}\n`),
});
process.exit();

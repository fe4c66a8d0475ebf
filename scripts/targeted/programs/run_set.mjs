// Runs a test set with ONNX Runtime in JavaScript, as run_set.py does in Python: the first sample
// by itself, then the others in one batch. It knows neither files nor servers: `read(name)` gives
// an ArrayBuffer, `write(name, bytes)` keeps bytes, `tell(line)` keeps an answer.

const MODES = { plain: "disabled", deployed: "all" };

/** The batch of rows from `start` to `stop` of every input. */
function rows(ort, inputs, start, stop) {
  const entries = inputs.map(({ name, shape, numbers }) => {
    const [count, ...rest] = shape;
    const row = numbers.length / count;
    const part = numbers.slice(start * row, stop * row);
    return [name, new ort.Tensor("float32", part, [stop - start, ...rest])];
  });
  return Object.fromEntries(entries);
}

/** An output of both batches, as bytes and with the shape of all. */
function joined(parts) {
  const wrong = parts.find((part) => part.type !== "float32");
  if (wrong) throw new Error(`an output is ${wrong.type}, not float32`);
  const numbers = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  numbers.set(parts[0].data);
  numbers.set(parts[1].data, parts[0].data.length);
  const count = parts[0].dims[0] + parts[1].dims[0];
  return { bytes: new Uint8Array(numbers.buffer), shape: [count, ...parts[0].dims.slice(1)] };
}

async function outputs(ort, entry, mode, read) {
  const model = new Uint8Array(await read(`${entry.name}.onnx`));
  const options = { graphOptimizationLevel: MODES[mode], executionProviders: [ort.provider] };
  const session = await ort.InferenceSession.create(model, options);
  const inputs = [];
  for (const { name, shape, data } of entry.inputs) {
    inputs.push({ name, shape, numbers: new Float32Array(await read(data)) });
  }
  const count = inputs[0].shape[0];
  const first = await session.run(rows(ort, inputs, 0, 1));
  const others = await session.run(rows(ort, inputs, 1, count));
  const found = entry.outputs.map((name) => joined([first[name], others[name]]));
  await session.release();
  return found;
}

/** Answers for every model in every mode. `ort.provider` names the execution provider. */
export async function runSet(ort, versions, { read, write, tell }) {
  await tell({ versions });
  const index = JSON.parse(new TextDecoder().decode(await read("set.json")));
  for (const entry of index.models) {
    for (const mode of Object.keys(MODES)) {
      const answer = { file: entry.name, mode };
      try {
        const found = await outputs(ort, entry, mode, read);
        for (const [i, { bytes }] of found.entries()) {
          await write(`${entry.name}.${mode}.${i}.bin`, bytes);
        }
        answer.shapes = found.map(({ shape }) => shape);
      } catch (error) {
        answer.error = String(error);
      }
      await tell(answer);
    }
  }
}

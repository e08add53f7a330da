// What the page asks of its server: answers in JSON, and runs as streams of events.

/** The four parts of what was refused. */
export class Refused extends Error {
  constructor(parts) {
    super([parts.asked, parts.got].filter(Boolean).join(": "));
    this.parts = parts;
  }
}

async function refusedBy(response) {
  try {
    return new Refused(await response.json());
  } catch {
    return new Refused({ asked: "the server", got: `status ${response.status}`, do: "see its log" });
  }
}

function requestOf(body, signal) {
  if (body === undefined) return { signal };
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
}

/** An answer in JSON; with a body it is posted. */
export async function ask(path, body) {
  const response = await fetch(path, requestOf(body));
  if (!response.ok) throw await refusedBy(response);
  return response.json();
}

/** The events of a run as they come; `signal` ends the stream, and with it the run. */
export async function* eventsOf(path, body, signal) {
  const response = await fetch(path, requestOf(body, signal));
  if (!response.ok) throw await refusedBy(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}

// The page, in Node: asks the Python service at $WORDS about a text. Only what Node brings along.
import http from "node:http";

const port = Number(process.env.PORT ?? 3000);
const words = process.env.WORDS;
const agent = new http.Agent({ keepAlive: true });
const passedOn = ["traceparent", "tracestate", "x-request-id"];

const server = http.createServer(async (request, response) => {
  const [path, query] = request.url.split("?", 2);
  if (path === "/healthz") return send(response, 200, "ok");
  if (path !== "/") return send(response, 404, "There is only one page.");

  const text = new URLSearchParams(query).get("text") ?? "two languages and one mesh";
  try {
    const { count, longest } = await ask(text, request.headers);
    send(response, 200, `Node asked Python: ${count} words, the longest is "${longest}".`);
  } catch (error) {
    send(response, 502, `Python gave no answer: ${error.message}`);
  }
  console.log(request.method, request.url, response.statusCode);
});

function send(response, status, line) {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(line + "\n");
}

function ask(text, received, again = true) {
  const headers = {};
  for (const name of passedOn) if (received[name]) headers[name] = received[name];
  return new Promise((resolve, reject) => {
    const request = http.get(`${words}?text=${encodeURIComponent(text)}`, { agent, headers });
    request.on("response", async (response) => {
      try {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) body += chunk;
        if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
        resolve(JSON.parse(body));
      } catch (error) {
        reject(error);
      }
    });
    request.on("error", (error) => {
      // An idle connection may be closed just when it is used again; a GET can safely be sent once more.
      if (request.reusedSocket && again) resolve(ask(text, received, false));
      else reject(error);
    });
  });
}

// "localhost" is ::1 on many machines and 127.0.0.1 on others: the mesh tries both.
server.listen(port, "localhost", () => console.log(`listening on ${server.address().port}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close(() => agent.destroy());
    server.closeIdleConnections();
  });
}

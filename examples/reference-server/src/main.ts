import { ConfigError, parseConfig } from "./config.js";
import { loadSecrets } from "./development-secrets.js";
import { createLogger } from "./logger.js";
import { serveOnExpress } from "./main.express.js";
import { serveOnFastify } from "./main.fastify.js";
import { serveOnHono } from "./main.hono.js";
import { nextSteps } from "./next-steps.js";
import { openStore } from "./open-store.js";
import { seed } from "./seed.js";
import { createService } from "./service.js";
import { shutDownOnSignal } from "./shutdown.js";

const SERVE = { express: serveOnExpress, fastify: serveOnFastify, hono: serveOnHono };

try {
  const config = parseConfig(process.env);
  const logger = createLogger(config);
  const secrets = await loadSecrets(config);
  const store = await openStore(config);
  const service = createService({ config, secrets, store, logger });
  const seeded = config.production ? false : await seed(service.auth);
  const server = await SERVE[config.framework](service.app, { port: config.port, host: config.host });
  service.start();
  shutDownOnSignal(logger, [() => server.close(), () => service.stop(), () => store.close()]);
  logger.info({ url: server.url, framework: config.framework, database: config.databaseUrl.split(":", 1)[0] }, "listening");
  if (!config.production)
    process.stdout.write(nextSteps(server.url, { seeded, generatedSecrets: secrets.generated, dataDirectory: config.dataDirectory }));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

import { parseConfig } from "./config.js";
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
import { describeStartFailure } from "./start-failure.js";

const SERVE = { express: serveOnExpress, fastify: serveOnFastify, hono: serveOnHono };

async function start(): Promise<void> {
  const config = parseConfig(process.env);
  const logger = createLogger(config);
  const secrets = await loadSecrets(config);
  const store = await openStore(config);
  const service = createService({ config, secrets, store, logger });
  // The stored roles are in force before anybody is served.
  await service.assignments.refresh();
  const seeded = config.production ? false : await seed(service);
  const server = await SERVE[config.framework](service.app, { port: config.port, host: config.host });
  service.start();
  shutDownOnSignal(logger, [() => server.close(), () => service.stop(), () => store.close()]);
  logger.info({ url: server.url, framework: config.framework, database: config.databaseUrl.split(":", 1)[0] }, "listening");
  const { mfaRequiredRoles: roles } = config;
  logger.info({ roles }, roles.length === 0 ? "no role needs a second factor; set MFA_REQUIRED_ROLES" : "roles that need a second factor");
  if (!config.production)
    process.stdout.write(
      nextSteps(server.url, {
        seeded,
        generatedSecrets: secrets.generated,
        dataDirectory: config.dataDirectory,
        mfaRequiredRoles: roles,
      }),
    );
}

try {
  await start();
} catch (error) {
  const description = describeStartFailure(error);
  if (description === undefined) throw error;
  process.stderr.write(`${description}\n`);
  // Not only an exit code: what was opened before the failure (a pool, a client of Redis) would keep the process running.
  process.exit(1);
}

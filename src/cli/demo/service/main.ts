/** One service of the demo's shop as a process of its own. The demo starts it, see `../shop.ts`. */

import { brokerRoutes } from "./broker.ts";
import { cartRoutes } from "./cart.ts";
import { checkoutRoutes } from "./checkout.ts";
import { databaseRoutes } from "./database.ts";
import { frontendRoutes } from "./frontend.ts";
import { listen, portOf, type Route } from "./http.ts";
import { inventoryRoutes } from "./inventory.ts";
import { paymentRoutes } from "./payment.ts";
import { type ServiceSettings, serviceSettings } from "./settings.ts";
import { startTelemetry } from "./telemetry.ts";
import { work } from "./worker.ts";

const FLUSH_TIMEOUT_MS = 4_000;

const settings = serviceSettings(process.env);
const stopTelemetry = startTelemetry(settings);
const stopped = new AbortController();
const server = await listen(routesOf(settings), settings.port);
if (settings.name === "shipping-worker") void work(settings, stopped.signal);

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  stopped.abort();
  server.close();
  server.closeAllConnections();
  setTimeout(() => process.exit(0), FLUSH_TIMEOUT_MS).unref();
  await stopTelemetry().catch(() => {}); // Pintail may be gone already; nothing is lost by that.
  process.exit(0);
}

// Ctrl-C reaches every process of the terminal at once; the demo decides who stops when.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => void stop());
process.stdin.on("end", () => void stop());
process.stdin.resume();

console.log(`listening ${portOf(server)}`);

function routesOf(service: ServiceSettings): Route[] {
  switch (service.name) {
    case "frontend":
      return frontendRoutes(service);
    case "cart":
      return cartRoutes(service);
    case "checkout":
      return checkoutRoutes(service);
    case "payment":
      return paymentRoutes(service);
    case "inventory":
      return inventoryRoutes(service);
    case "shop-db":
      return databaseRoutes(service);
    case "broker":
      return brokerRoutes();
    case "shipping-worker":
      return [];
    default:
      throw new Error(`no service is named '${service.name}'`);
  }
}

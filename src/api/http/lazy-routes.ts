import type { Context, Hono } from "hono";
import { routePath } from "hono/route";

type Routes = { readonly fetch: (request: Request, env?: object) => Response | Promise<Response> };

/**
 * Adds routes, `paths` below `base`, whose modules are loaded when the first request comes: most
 * servers never get one. `load` gets the base as it is once `app` is mounted.
 */
export function addLazyRoutes(
  app: Hono,
  base: string,
  paths: readonly string[],
  load: (base: string) => Promise<Routes>,
): void {
  let loading: Promise<Routes> | undefined;
  for (const path of paths) {
    app.all(base + path, async (c: Context) => {
      loading ??= load(routePath(c).slice(0, -path.length));
      return await (await loading).fetch(c.req.raw, c.env);
    });
  }
}

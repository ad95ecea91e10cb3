import type { Context } from "hono";
import { routePath } from "hono/route";

type Routes = { readonly fetch: (request: Request, env?: object) => Response | Promise<Response> };

/**
 * Routes whose modules are loaded when the first request comes: most servers never get one. Given
 * for a path that ends in "/*"; `load` gets what stands before that, wherever it was mounted.
 */
export function lazyRoutes(
  load: (base: string) => Promise<Routes>,
): (c: Context) => Promise<Response> {
  let loading: Promise<Routes> | undefined;
  return async (c) => {
    loading ??= load(routePath(c).replace(/\/\*$/, ""));
    return await (await loading).fetch(c.req.raw, c.env);
  };
}

import { readFileSync } from "node:fs";
import { ADMIN_TOKEN_FILE, readAdminToken } from "../../app/admin-token-file.ts";
import { loadSettings } from "../../config/load.ts";
import { joinPath } from "../../drivers/files/files.ts";
import { nodeFiles } from "../../drivers/files/node-files.ts";

/** Throws an `Error` that says where a token was looked for. */
export async function findAdminToken(
  { dataDir, configFile }: { dataDir: string | undefined; configFile: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const given = env.PINTAIL_ADMIN_TOKEN;
  if (given !== undefined && given !== "") return given;
  const settings = settingsOf(configFile, env);
  if (dataDir === undefined && settings.adminToken !== undefined) return settings.adminToken;
  const path = joinPath(dataDir ?? settings.dataDir, ADMIN_TOKEN_FILE);
  const token = await readAdminToken(nodeFiles(), path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `no admin token: ${reason}; name the server's data folder with --data-dir, its settings with -config.file, or set PINTAIL_ADMIN_TOKEN`,
      { cause },
    );
  });
  if (token === undefined) throw new Error(`${path} holds no admin token`);
  return token;
}

function settingsOf(
  configFile: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
) {
  const loaded = loadSettings({
    args: configFile === undefined ? [] : [`-config.file=${configFile}`],
    env,
    readFile: (path) => readFileSync(path, "utf8"),
  });
  if (loaded.action !== "run") throw new Error(`the configuration asks for '${loaded.action}'`);
  return loaded.settings;
}

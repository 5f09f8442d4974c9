import { Generation, Generations } from "./generation.js";

/** Which version of a policy a decision was made under; versions are compared for equality only. */
export type PolicyVersion = string | number;

/** An agent that a decision depends on. */
export interface AgentDependency {
  readonly name: string;
  readonly version?: string;
}

/** One workspace: its slots, and the generations that all of its entries depend on. */
export class Workspace<Slot> {
  readonly slots = new Map<string, Slot>();
  readonly generation: Generation;
  readonly policy: Generation;
  policyVersion: PolicyVersion | undefined;

  constructor(
    readonly id: string,
    private readonly whenUnused: () => void,
  ) {
    this.generation = new Generation();
    this.policy = new Generation();
  }

  /** Forgets it, unless something is stored or under way in it or its policy version was set. */
  dropIfUnused(): void {
    if (this.slots.size === 0 && this.policyVersion === undefined) this.whenUnused();
  }
}

/** Everything that decisions can depend on. */
export class DependencyBook<Slot> {
  readonly everything = new Generation();
  readonly defaultPolicy = new Generation();
  defaultPolicyVersion: PolicyVersion | undefined;
  readonly agents = new Generations();
  readonly agentVersions = new Generations();
  readonly tags = new Generations();
  readonly #workspaces = new Map<string, Workspace<Slot>>();

  workspace(id: string): Workspace<Slot> | undefined {
    return this.#workspaces.get(id);
  }

  openWorkspace(id: string): Workspace<Slot> {
    let workspace = this.#workspaces.get(id);
    if (workspace === undefined) {
      workspace = new Workspace<Slot>(id, () => this.#workspaces.delete(id));
      this.#workspaces.set(id, workspace);
    }
    return workspace;
  }

  /** What a decision in this workspace depends on, each once. */
  resolve(workspace: Workspace<Slot>, agents: readonly AgentDependency[], tags: readonly string[]): readonly Generation[] {
    const generations = new Set([this.everything, workspace.generation, workspace.policy]);
    if (workspace.policyVersion === undefined) generations.add(this.defaultPolicy);
    for (const { name, version } of agents) {
      generations.add(this.agents.open(name));
      if (version !== undefined) generations.add(this.agentVersions.open(agentVersionName(name, version)));
    }
    for (const tag of tags) generations.add(this.tags.open(tag));
    return [...generations];
  }
}

/** Injective, so that agent "a:1" of version "b" is not agent "a" of version "1:b". */
export function agentVersionName(name: string, version: string): string {
  return `${name.length}:${name}${version}`;
}

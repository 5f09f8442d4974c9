// The services that tests may ask for, by the names under which a test asks, and where their address is found.

/** A service that a test can name. */
export type ServiceName = "postgres" | "redis" | "redis-cluster" | "chromium";

/** How a service is recognised in a test's source, and through which variable its address reaches the workers. */
export interface Service {
  /** As a person reads it in a skipped test's name. */
  readonly title: string;
  /** Set by the user, it names the service to use; else by the set-up, for the one it started. */
  readonly variable: string;
  /** A test file that contains this wants the service. */
  readonly mention: RegExp;
}

export const SERVICES: Readonly<Record<ServiceName, Service>> = {
  postgres: { title: "PostgreSQL", variable: "PORTCULLIS_TEST_POSTGRES_URL", mention: /\bpostgresUrl\b|describeWith\("postgres"/ },
  redis: { title: "Redis", variable: "PORTCULLIS_TEST_REDIS_URL", mention: /\bredisUrl\b|describeWith\("redis"/ },
  "redis-cluster": {
    title: "Redis Cluster",
    variable: "PORTCULLIS_TEST_REDIS_CLUSTER_URLS",
    mention: /\bredisClusterUrls\b|describeWith\("redis-cluster"/,
  },
  chromium: { title: "Chromium", variable: "PORTCULLIS_TEST_CHROMIUM", mention: /\bchromiumPath\b|describeWith\("chromium"/ },
};

/** Where the set-up says why a service could not be had. */
export const missingVariable = (name: ServiceName): string => `${SERVICES[name].variable}_MISSING`;

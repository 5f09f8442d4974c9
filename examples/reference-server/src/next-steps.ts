import { DEMO_PASSWORD, DEMO_USERS } from "./seed.js";

/** What a newcomer can do now, with commands to paste. */
export function nextSteps(
  url: string,
  {
    seeded,
    generatedSecrets,
    dataDirectory,
    mfaRequiredRoles,
  }: {
    readonly seeded: boolean;
    readonly generatedSecrets: boolean;
    readonly dataDirectory: string;
    readonly mfaRequiredRoles: readonly string[];
  },
): string {
  const secondFactor =
    mfaRequiredRoles.length === 0
      ? "No role needs a second factor here; in production admin and owner do. Try it with MFA_REQUIRED_ROLES=admin,owner."
      : `Roles that need a second factor: ${mfaRequiredRoles.join(", ")}.`;
  return `
  Portcullis reference server: ${url}
  API documentation:           ${url}/docs
  Login page:                  ${url}/login

  ${seeded ? "Seeded" : "Already there"}: an organisation with ${Object.keys(DEMO_USERS).join(", ")} (…@acme.example), password "${DEMO_PASSWORD}".
  ${generatedSecrets ? `Development secrets were generated into ${dataDirectory}; production refuses to start with generated ones.` : "Secrets come from the environment."}

  ${secondFactor}

  Try next:
    npm run demo                          the whole story, told step by step in a terminal

    TOKEN=$(curl -s ${url}/api/auth/login -H 'content-type: application/json' \\
      -d '{"email":"${DEMO_USERS.member}","password":"${DEMO_PASSWORD}"}' | node -pe 'JSON.parse(fs.readFileSync(0)).data.access_token')
    curl -s ${url}/api/workflows -H "authorization: Bearer $TOKEN"
    curl -s ${url}/api/health

`;
}

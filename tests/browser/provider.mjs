// A certified OpenID Connect provider for the tests, on loopback: whoever names themselves is believed.
// Arguments: the port to listen on, the address to send people back to, the folder of node_modules.
// POST /behave with {"idTokenTtl": seconds, "tokens": "good"|"tampered"|"unsigned", "verified": bool} changes its ways.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [port, callback, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const { Provider, interactionPolicy } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const ways = { idTokenTtl: 3600, tokens: "good", verified: true };
const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: "select_account", requestable: true }), 0);

// The provider's own pages fetch a font from another host.
async function logoutSource(ctx, form) {
  ctx.body = `<!doctype html><html lang="en"><title>Test provider</title>${form}
    <button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button></html>`;
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "masterplan", client_secret: "a secret of the tests, shared by both",
    redirect_uris: [callback], post_logout_redirect_uris: [callback],
  }],
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: ways.verified, name: `Persoana ${id}` }),
  }),
  claims: { email: ["email", "email_verified"], profile: ["name"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of the tests"] },
  interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource } },
  ttl: { IdToken: () => ways.idTokenTtl, Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 600 },
  // The one application is trusted with what it asks for.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

const encoded = (content) => Buffer.from(JSON.stringify(content)).toString("base64url");
provider.use(async (ctx, next) => {
  await next();
  if (ways.tokens === "good" || !ctx.body?.id_token) return;
  const [head, claims, signature] = ctx.body.id_token.split(".");
  const forged = encoded({ ...JSON.parse(Buffer.from(claims, "base64url")), sub: "forged", email: "chief@example.org" });
  ctx.body.id_token = ways.tokens === "unsigned"
    ? `${encoded({ alg: "none" })}.${forged}.`
    : `${head}.${forged}.${signature}`;
});

const body = async (request) => {
  let text = "";
  for await (const piece of request) text += piece;
  return text;
};
const answer = provider.callback();
createServer(async (request, response) => {
  if (request.url === "/favicon.ico") return response.writeHead(204).end();
  if (request.url === "/behave") {
    Object.assign(ways, JSON.parse(await body(request)));
    return response.writeHead(204).end();
  }
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  if (request.method === "POST") {
    const given = new URLSearchParams(await body(request));
    const result = given.has("cancel")
      ? { error: "access_denied", error_description: "the person said no" }
      : { login: { accountId: given.get("login") }, select_account: {} };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
  return response.end(`<!doctype html><html lang="en"><title>Test provider</title><form method="post">
    <label>Login <input name="login"></label><button>Continue</button><button name="cancel">Cancel</button></form>`);
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));

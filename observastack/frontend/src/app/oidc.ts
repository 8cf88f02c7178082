/** OpenID Connect, authorization code with PKCE (RFC 7636, S256): the parts without a network. */

export interface Pending {
  state: string;
  nonce: string;
  verifier: string;
  redirectUri: string;
  next: string;
}

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** 256 random bits as text. */
export function randomText(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** BASE64URL(SHA256(verifier)). Needs a secure context: HTTPS or localhost. */
export async function challenge(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return base64url(new Uint8Array(digest));
}

/** The claims of a JWT, unchecked: the API checks access tokens; an ID token comes from the issuer itself. */
export function claimsOf(token: string): Record<string, unknown> {
  const part = token.split(".")[1] ?? "";
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}

export async function authorizationUrl(
  endpoint: string,
  clientId: string,
  scopes: string,
  pending: Pending,
): Promise<string> {
  const url = new URL(endpoint);
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: pending.redirectUri,
    scope: scopes,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await challenge(pending.verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.toString();
}

/** A path of this application, or "/": a link must not send people elsewhere after they signed in. */
export function safeNext(next: string | null): string {
  if (next === null || !next.startsWith("/") || /[\\\u0000-\u001f]/.test(next)) return "/";
  const url = new URL(next, "http://here.invalid");
  if (url.origin !== "http://here.invalid" || url.pathname.startsWith("//")) return "/";
  return url.pathname === "/login" || url.pathname.startsWith("/auth/") ? "/" : url.pathname + url.search + url.hash;
}

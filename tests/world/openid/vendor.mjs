// A vendor that verifies people by OpenID Connect, on npm oidc-provider. `POST /play` or a scope `play_WORD` says how it
// answers; the faults are made here, because a sound provider has none of them.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { pathToFileURL } from 'node:url'

const [home, given] = [process.argv[2], JSON.parse(process.argv[3])]
const require = createRequire(`${home}/package.json`)
const load = async (name) => import(pathToFileURL(require.resolve(name)))
const { Provider } = await load('oidc-provider')
const { SignJWT, importJWK, decodeJwt } = await load('jose')

const make = (kid, alg, kind, options) => {
  const jwk = generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' })
  return { ...jwk, kid, alg, use: 'sig' }
}
const keys = {
  RS256: make('rs', 'RS256', 'rsa', { modulusLength: 2048 }),
  PS256: make('ps', 'PS256', 'rsa', { modulusLength: 2048 }),
  ES256: make('es', 'ES256', 'ec', { namedCurve: 'P-256' }),
  EdDSA: make('ed', 'EdDSA', 'ed25519', {}),
}
// Not published.
const stranger = make('rs', 'RS256', 'rsa', { modulusLength: 2048 })
const late = make('late', 'RS256', 'rsa', { modulusLength: 2048 })

let play = 'pass'
let published = false
const seen = { par: 0, token: 0, jwks: 0, replies: 0, requests: [] }
const plans = new Map()
let lastToken

const person = { given_name: 'Anna', family_name: 'Muster', birthdate: '1990-01-31' }

// `verified_claims` of a play.
function verified(plan) {
  const frame = (level, claims) => ({
    verification: {
      trust_framework: plan.framework,
      assurance_level: level,
      time: new Date(plan.old ? 1.5e12 : Date.now()).toISOString(),
      verification_process: plan.nonce.slice(0, 12),
    },
    claims,
  })
  const known = { ...person, ...given.person, ...plan.person }
  const asked = Object.fromEntries(Object.keys(plan.claims).map((name) => [name, known[name] ?? null]))
  const each = (value) => Object.fromEntries(Object.keys(asked).map((name) => [name, value]))
  const one = {
    pass: () => frame('VERIFIED', asked),
    fuzzy: () => frame('VERIFIED', Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, { value, fuzzy: true }]))),
    extra: () => frame('VERIFIED', { ...asked, shoe_size: '44' }),
    matched: () => frame('VERIFIED', each('MATCHED')),
    partial: () => frame('VERIFIED', { ...asked, family_name: null }),
    fail: () => frame('FAILED', { ...asked, birthdate: null }),
    null: () => null,
    absent: () => undefined,
    other: () => frame('VERIFIED', { ...asked, family_name: 'Musterova', given_name: 'Petra' }),
  }[plan.play] ?? (() => frame('VERIFIED', asked))
  const value = one()
  return value && plan.array ? [value] : value
}

async function fault(plan, token) {
  const claims = decodeJwt(token)
  const now = Math.floor(Date.now() / 1000)
  const sign = async (changed, { key = keys.RS256, header = {} } = {}) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
      .sign(await importJWK(key, key.alg), header.crit && { crit: { [header.crit[0]]: true } })
  const bare = (header, changed, signature) => {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = `${part(header)}.${part({ ...claims, ...changed })}`
    return `${signed}.${signature(signed)}`
  }
  const faults = {
    issuer: () => sign({ iss: 'https://evil.example.com' }),
    issuer_slash: () => sign({ iss: `${claims.iss}/` }),
    audience: () => sign({ aud: 'somebody-else' }),
    audience_shared: () => sign({ aud: [claims.aud, 'somebody-else'] }),
    party: () => sign({ azp: 'somebody-else' }),
    nonce: () => sign({ nonce: 'x'.repeat(43) }),
    no_nonce: () => sign({ nonce: undefined }),
    signature: () => sign({}, { key: stranger }),
    tampered: () => token.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...claims, sub: 'x' })).toString('base64url')}.`),
    kid: () => sign({}, { key: { ...stranger, kid: 'nobody' } }),
    // For a clock that a test has set a minute ahead.
    new_key: () => { published = true; return sign({ iat: now + 61 }, { key: late }) },
    none: () => bare({ alg: 'none' }, {}, () => ''),
    none_upper: () => bare({ alg: 'NONE', kid: 'rs' }, {}, () => 'AA'),
    hs: () => bare({ alg: 'HS256', kid: 'rs' }, {}, (signed) => createHmac('sha256', given.secret).update(signed).digest('base64url')),
    hs_public: () => bare({ alg: 'HS256', kid: 'rs' }, {}, (signed) => createHmac('sha256', keys.RS256.n).update(signed).digest('base64url')),
    crit: () => sign({}, { header: { crit: ['x'], x: 1 } }),
    confused: () => bare({ alg: 'ES256', kid: 'rs' }, {}, () => 'A'.repeat(86)),
    expired: () => sign({ exp: now - 3600, iat: now - 30 }),
    no_exp: () => sign({ exp: undefined }),
    future: () => sign({ iat: now + 3600, exp: now + 7200 }),
    not_yet: () => sign({ nbf: now + 3600 }),
    stale: () => sign({ iat: now - 3600 }),
    no_iat: () => sign({ iat: undefined }),
    odd_exp: () => sign({ exp: 'tomorrow' }),
    no_sub: () => sign({ sub: undefined }),
    garbage: () => 'not.a.token',
    two_parts: () => token.split('.').slice(0, 2).join('.'),
    huge: () => sign({ filler: 'x'.repeat(70_000) }),
    replayed: () => lastToken ?? token,
    PS256: () => sign({}, { key: keys.PS256 }),
    ES256: () => sign({}, { key: keys.ES256 }),
    EdDSA: () => sign({}, { key: keys.EdDSA }),
  }
  return faults[plan.play] ? faults[plan.play]() : token
}

const server = createServer()
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const issuer = `http://127.0.0.1:${server.address().port}`
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'proofd', client_secret: given.secret, redirect_uris: given.redirects, grant_types: ['authorization_code'],
    response_types: ['code'], token_endpoint_auth_method: given.basic ? 'client_secret_basic' : 'client_secret_post',
  }],
  jwks: { keys: Object.values(keys) },
  claims: { openid: ['sub'], profile: [], identity_assurance: ['verified_claims'] },
  scopes: ['openid', 'profile', 'identity_assurance'],
  conformIdTokenClaims: false,
  features: { claimsParameter: { enabled: true }, pushedAuthorizationRequests: { enabled: given.par !== false }, devInteractions: { enabled: false } },
  pkce: { required: () => true },
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Grant: 600, Session: 600, Interaction: 600 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: 'proofd', accountId: ctx.oidc.session.accountId })
    grant.addOIDCScope('openid profile identity_assurance')
    grant.addOIDCClaims(['verified_claims'])
    await grant.save()
    return grant
  },
  async findAccount(_, id) {
    return { accountId: id, claims: async () => ({ sub: given.sub ?? id, verified_claims: verified(plans.get(id)) }) }
  },
  async renderError(ctx, out) { ctx.body = out },
})

const body = async (request) => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}
const reply = (ctx, status, value) => { ctx.status = status; ctx.body = value }

// Remembers what a request asks for, and takes the array that oidc-provider refuses.
function plan(parameters) {
  const claims = JSON.parse(parameters.claims ?? '{}')
  let wanted = claims.id_token?.verified_claims
  const array = Array.isArray(wanted)
  if (array) [wanted] = wanted
  if (wanted) claims.id_token.verified_claims = wanted
  const named = parameters.scope?.split(' ').find((scope) => scope.startsWith('play_'))
  const framework = wanted?.verification?.trust_framework
  const made = {
    play: named?.slice('play_'.length) ?? play, array, nonce: parameters.nonce, claims: wanted?.claims ?? {},
    framework: framework?.value ?? framework?.values?.[0], old: given.old, person: plans.person,
  }
  plans.set(`p-${parameters.nonce}`, made)
  seen.requests.push({ ...parameters, client_secret: undefined })
  return { parameters: { ...parameters, claims: JSON.stringify(claims) }, made }
}

provider.use(async (ctx, next) => {
  const { path, method } = ctx
  if (path === '/play') {
    const order = JSON.parse(await body(ctx.req))
    play = order.play ?? play
    plans.person = order.person
    return reply(ctx, 200, {})
  }
  if (path === '/seen') return reply(ctx, 200, seen)
  if (path.startsWith('/interaction/')) {
    const interaction = await provider.interactionDetails(ctx.req, ctx.res)
    const id = `p-${interaction.params.nonce}`
    const { play } = plans.get(id)
    if (play === 'silent') return reply(ctx, 200, 'the person closes the tab here')
    const error = { denied: 'access_denied', down: 'temporarily_unavailable', broken: 'server_error' }[play]
    const result = error ? { error, error_description: 'Anna Muster' } : { login: { accountId: id, remember: false } }
    ctx.respond = false
    return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false })
  }
  if (path === '/request' && method === 'POST') {
    seen.par += 1
    const { parameters, made } = plan(Object.fromEntries(new URLSearchParams(await body(ctx.req))))
    if (made.play === 'par_503') return reply(ctx, 503, 'no')
    if (made.play === 'par_401') return reply(ctx, 401, { error: 'invalid_client' })
    if (made.play === 'par_400') return reply(ctx, 400, { error: 'invalid_request', error_description: 'Anna Muster' })
    ctx.req.body = parameters
  }
  if (path === '/auth' && method === 'GET' && ctx.query.claims) {
    ctx.query = plan(ctx.query).parameters
  }
  await next()
  if (path === '/jwks') {
    seen.jwks += 1
    if (published) {
      const { kty, n, e, kid, alg, use } = late
      ctx.body = { keys: [...ctx.body.keys, { kty, n, e, kid, alg, use }] }
    }
  }
  if (path === '/token' && method === 'POST') {
    seen.token += 1
    const made = plans.get(ctx.oidc?.entities?.AuthorizationCode?.accountId)
    if (!made || !ctx.body?.id_token) return
    if (made.play === 'hold') await new Promise((done) => setTimeout(done, 3_000))
    if (made.play === 'token_503') return reply(ctx, 503, 'no')
    if (made.play === 'token_html') return reply(ctx, 200, '<html>proxy</html>')
    if (made.play === 'token_401') return reply(ctx, 401, { error: 'invalid_client' })
    if (made.play === 'no_token') return reply(ctx, 200, { token_type: 'Bearer' })
    const token = await fault(made, ctx.body.id_token)
    if (made.play === 'pass') lastToken = token
    // As some vendors answer.
    ctx.body = { id_token: token, token_type: 'Bearer', expires_in: 600 }
    seen.replies += 1
  }
})

server.on('request', provider.callback())
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
console.log(JSON.stringify({ issuer }))

// SPDX-License-Identifier: Apache-2.0
// A receiver of parts that nobody here wrote: Node's fetch and panva's jose. It knows an issuer and
// the credentials of a client; it discovers the rest, creates a stream by poll, asks for a
// verification, polls, and verifies what comes. Prints one JSON object.
//
//   node third_party.cjs ISSUER CLIENT_ID CLIENT_SECRET AUDIENCE
"use strict";

const { createRemoteJWKSet, jwtVerify } = require("jose");

const [issuer, clientId, clientSecret, audience] = process.argv.slice(2);
const VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";

async function request(status, url, options) {
	const answer = await fetch(url, { redirect: "error", ...options });
	const text = await answer.text();
	if (answer.status !== status) throw new Error(`${url}: ${answer.status} ${text}`);
	return text === "" ? null : JSON.parse(text);
}

function wellKnown(of, name) {
	const url = new URL(of);
	return `${url.origin}/.well-known/${name}${url.pathname.replace(/\/$/, "")}`;
}

async function accessToken() {
	const resource = await request(200, wellKnown(issuer, "oauth-protected-resource"));
	const server = await request(200, wellKnown(resource.authorization_servers[0],
		"oauth-authorization-server"));
	const basic = [clientId, clientSecret].map(encodeURIComponent).join(":");
	const token = await request(200, server.token_endpoint, {
		method: "POST",
		headers: { Authorization: `Basic ${Buffer.from(basic).toString("base64")}` },
		body: new URLSearchParams({ grant_type: "client_credentials", scope: "ssf.manage" }),
	});
	return token.access_token;
}

async function main() {
	const metadata = await request(200, wellKnown(issuer, "ssf-configuration"));
	if (metadata.issuer !== issuer) throw new Error(`issuer is ${metadata.issuer}`);
	const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
	const headers = {
		Authorization: `Bearer ${await accessToken()}`,
		"Content-Type": "application/json",
	};
	const post = (status, url, body) =>
		request(status, url, { method: "POST", headers, body: JSON.stringify(body) });

	const stream = await post(201, metadata.configuration_endpoint, {
		delivery: { method: "urn:ietf:rfc:8936" },
		description: "third party",
	});
	const state = `state-${process.pid}`;
	await post(204, metadata.verification_endpoint, { stream_id: stream.stream_id, state });

	// waits as long as the transmitter holds a poll; a few times are more than enough
	const verified = [];
	for (let i = 0; i < 5 && verified.length === 0; i++) {
		const { sets } = await post(200, stream.delivery.endpoint_url, { maxEvents: 10 });
		for (const [jti, set] of Object.entries(sets)) {
			const { payload, protectedHeader } = await jwtVerify(set, keys, {
				issuer,
				audience,
				typ: "secevent+jwt",
				algorithms: ["RS256"],
			});
			if (payload.jti !== jti) throw new Error(`${jti} is ${payload.jti}`);
			verified.push({ header: protectedHeader, claims: payload });
		}
	}
	await post(200, stream.delivery.endpoint_url, {
		ack: verified.map((s) => s.claims.jti),
		maxEvents: 0,
		returnImmediately: true,
	});
	await request(204, `${metadata.configuration_endpoint}?stream_id=${stream.stream_id}`,
		{ method: "DELETE", headers });
	const [{ claims }] = verified;
	console.log(JSON.stringify({
		verified,
		echoed: claims.events[VERIFICATION].state === state,
		ofStream: claims.sub_id.format === "opaque" && claims.sub_id.id === stream.stream_id,
	}));
}

main().catch((error) => {
	console.error(error);
	process.exitCode = 1;
});

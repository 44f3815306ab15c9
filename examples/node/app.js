// SPDX-License-Identifier: Apache-2.0
// The guest book over HTTP.
'use strict';
const http = require('node:http');

const LONGEST = 10000;

class Refused extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function read(request) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) {
        text += part;
        if (text.length > LONGEST) throw new Refused(413, 'too long');
    }
    try {
        return JSON.parse(text);
    } catch {
        throw new Refused(400, 'not JSON');
    }
}

async function sign(book, request) {
    const { guest, text } = await read(request);
    if (typeof guest !== 'string' || !guest) throw new Refused(422, 'who are you?');
    if (typeof text !== 'string' || !text) throw new Refused(422, 'nothing is written');
    return [201, { entries: await book.sign(guest, text) }];
}

async function answer(book, request) {
    const url = new URL(request.url, 'http://host');
    const [, what, name] = url.pathname.split('/');
    const key = `${request.method} /${what}`;
    if (key === 'GET /health') return [200, { redis: await book.client.ping() }];
    if (key === 'GET /entries') {
        const count = Number(url.searchParams.get('count') ?? 10);
        if (!Number.isInteger(count) || count < 1) throw new Refused(400, 'how many?');
        return [200, await book.entries(count)];
    }
    if (key === 'POST /entries') return sign(book, request);
    if (key === 'GET /guests' && name) {
        const guest = decodeURIComponent(name);
        return [200, { guest, visits: await book.visits(guest) }];
    }
    if (key === 'GET /guests') return [200, await book.regulars()];
    throw new Refused(404, 'there is no such page');
}

function createApp(book) {
    return http.createServer(async (request, response) => {
        let status, body;
        try {
            [status, body] = await answer(book, request);
        } catch (error) {
            status = error.status ?? 503;
            body = { error: error.status ? error.message : 'the book is not at hand' };
        }
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(body));
    });
}

module.exports = { createApp };

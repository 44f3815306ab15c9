// SPDX-License-Identifier: Apache-2.0
// A server for each file of tests, and an empty book for each test.
'use strict';
const { after, before, beforeEach } = require('node:test');
const { createApp } = require('./app');
const { connect } = require('./book');

function useServer() {
    const world = {};

    before(async () => {
        world.book = await connect(process.env);
        world.server = createApp(world.book);
        await new Promise((resolve) => world.server.listen(0, '127.0.0.1', resolve));
        world.url = `http://127.0.0.1:${world.server.address().port}`;
    });
    beforeEach(async () => {
        if (world.book.client.isOpen) await world.book.client.flushDb();
    });
    after(async () => {
        world.server.close();
        world.server.closeAllConnections();
        if (world.book.client.isOpen) await world.book.close();
    });

    world.get = async (path) => {
        const response = await fetch(world.url + path);
        return [response.status, await response.json()];
    };
    world.post = async (path, body) => {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const response = await fetch(world.url + path, { method: 'POST', body: text });
        return [response.status, await response.json()];
    };
    return world;
}

module.exports = { useServer };

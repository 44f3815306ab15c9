// SPDX-License-Identifier: Apache-2.0
// The guest book in redis: its entries, newest first, and how often each guest came.
'use strict';
const { createClient } = require('redis');

const ENTRIES = 'book:entries';
const GUESTS = 'book:guests';

// Pallet's REDIS_HOSTS ('a:1|b') and REDIS_DB_INDEX as a URL: of the first, the only one we need.
function redisUrl(environment) {
    const [first] = (environment.REDIS_HOSTS || '').split('|');
    if (!first) throw new Error('REDIS_HOSTS names no host');
    const [host, port = '6379'] = first.split(':');
    return `redis://${host}:${port}/${environment.REDIS_DB_INDEX || 0}`;
}

class Book {
    constructor(client) {
        this.client = client;
    }

    async sign(guest, text) {
        await this.client.multi()
            .lPush(ENTRIES, JSON.stringify({ guest, text }))
            .zIncrBy(GUESTS, 1, guest)
            .exec();
        return this.client.lLen(ENTRIES);
    }

    async entries(count = 10) {
        return (await this.client.lRange(ENTRIES, 0, count - 1)).map((entry) => JSON.parse(entry));
    }

    async visits(guest) {
        return await this.client.zScore(GUESTS, guest) ?? 0;
    }

    async regulars(count = 3) {
        return this.client.zRange(GUESTS, 0, count - 1, { REV: true });
    }

    close() {
        return this.client.quit();
    }
}

async function connect(environment) {
    const client = createClient({ url: redisUrl(environment), socket: { reconnectStrategy: false } });
    client.on('error', () => {}); // whoever waits for an answer is told
    await client.connect();
    return new Book(client);
}

module.exports = { Book, connect, redisUrl };

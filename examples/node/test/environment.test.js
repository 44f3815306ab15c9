// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('node:assert/strict');
const { test } = require('node:test');
const { connect, redisUrl } = require('../book');

test('REDIS_HOSTS with a port', () => {
    assert.equal(redisUrl({ REDIS_HOSTS: 'a:1', REDIS_DB_INDEX: '3' }), 'redis://a:1/3');
});

test('REDIS_HOSTS without a port', () => {
    assert.equal(redisUrl({ REDIS_HOSTS: 'a' }), 'redis://a:6379/0');
});

test('REDIS_HOSTS with several hosts', () => {
    assert.equal(redisUrl({ REDIS_HOSTS: 'a:1|b:2' }), 'redis://a:1/0');
});

test('no REDIS_HOSTS', () => {
    assert.throws(() => redisUrl({}), /names no host/);
});

test('a redis that is not there', async () => {
    await assert.rejects(connect({ REDIS_HOSTS: '127.0.0.1:1' }), /ECONNREFUSED/);
});

// SPDX-License-Identifier: Apache-2.0
// Serves the guest book on Pallet's port.
'use strict';
const { createApp } = require('./app');
const { connect } = require('./book');

connect(process.env).then((book) => {
    const server = createApp(book).listen(8000, '0.0.0.0');
    for (const signal of ['SIGINT', 'SIGTERM']) {
        process.once(signal, () => {
            server.close(() => book.close());
            server.closeAllConnections();
        });
    }
}, (error) => {
    console.error(error.message);
    process.exitCode = 1;
});

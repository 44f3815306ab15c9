/* SPDX-License-Identifier: Apache-2.0 */
#include "junit_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>

#include "tap.h"

void place_init(struct place *p)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* syncs are quick */
    (void)snprintf(p->path, sizeof(p->path), "%s/test-junit-XXXXXX", parent);
    check(mkdtemp(p->path) != NULL);
    p->dir = open(p->path, O_DIRECTORY | O_CLOEXEC);
}

void place_deinit(struct place *p)
{
    (void)unlinkat(p->dir, "junit.xml", 0);
    close(p->dir);
    check_int(rmdir(p->path), 0);
}

xmlDoc *place_parse(const struct place *p)
{
    _cleanup_free_ char *path = xasprintf("%s/junit.xml", p->path);
    return xmlReadFile(path, NULL, XML_PARSE_NONET);
}

int schema_validate(xmlDoc *doc, const char *schema)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(schema);
    xmlSchema *parsed = xmlSchemaParse(parser);
    xmlSchemaValidCtxt *valid = parsed ? xmlSchemaNewValidCtxt(parsed) : NULL;
    int outcome = valid && doc ? xmlSchemaValidateDoc(valid, doc) : -1;
    xmlSchemaFreeValidCtxt(valid);
    xmlSchemaFree(parsed);
    xmlSchemaFreeParserCtxt(parser);
    return outcome;
}

char *doc_query(xmlDoc *doc, const char *xpath)
{
    xmlXPathContext *context = xmlXPathNewContext(doc);
    xmlXPathObject *object = xmlXPathEvalExpression(BAD_CAST xpath, context);
    xmlChar *value = xmlXPathCastToString(object);
    char *copy = xstrdup((const char *)value);
    xmlFree(value);
    xmlXPathFreeObject(object);
    xmlXPathFreeContext(context);
    return copy;
}

static void quiet(void *context _unused_, const char *fmt _unused_, ...)
{
}

void libxml_quiet(void)
{
    xmlSetGenericErrorFunc(NULL, quiet);
}

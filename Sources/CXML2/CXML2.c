#include "CXML2.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

// Whoever calls has counted them already; this bounds our own array.
enum { max_attributes = 64 };

typedef struct {
    xmlParserCtxtPtr parser;
    const cxml2_handler *handler;
    void *context;
    cxml2_verdict verdict;
    int code;
    bool started;
} reading;

static size_t offset_of(const reading *state) {
    long consumed = xmlByteConsumed(state->parser);
    return consumed < 0 ? 0 : (size_t)consumed;
}

static void stop(reading *state, cxml2_verdict verdict) {
    if (state->verdict == CXML2_READ) state->verdict = verdict;
    xmlStopParser(state->parser);
}

static bool names_utf8(const xmlChar *encoding) {
    return encoding == NULL || strcasecmp((const char *)encoding, "UTF-8") == 0;
}

/// Whether the text is read as the UTF-8 that it is: libxml2 notes a declared encoding in one of two places, and turns
/// the bytes into UTF-8 where it knows one.
static bool is_utf8(xmlParserCtxtPtr parser) {
    xmlParserInputPtr input = parser->input;
    return names_utf8(parser->encoding) && input != NULL && names_utf8(input->encoding)
        && (input->buf == NULL || input->buf->encoder == NULL)
        && (parser->version == NULL || strcmp((const char *)parser->version, "1.0") == 0);
}

static void start_element(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
                          int namespace_count, const xmlChar **namespaces, int attribute_count, int defaulted,
                          const xmlChar **attributes) {
    reading *state = data;
    cxml2_attribute found[max_attributes];
    const char *default_namespace = NULL;
    size_t prefixes = 0;
    (void)defaulted;
    if (state->verdict != CXML2_READ) return;
    if (!state->started) {
        state->started = true;
        // The bytes were taken as UTF-8 from the first; a declaration that says otherwise is not believed but refused.
        if (!is_utf8(state->parser)) {
            stop(state, CXML2_DECLARATION);
            return;
        }
    }
    if (attribute_count > max_attributes) {
        stop(state, CXML2_MALFORMED);
        return;
    }
    for (int place = 0; place < namespace_count; place++) {
        if (namespaces[2 * place] != NULL) {
            prefixes++;
            continue;
        }
        const xmlChar *declared = namespaces[2 * place + 1];
        default_namespace = declared == NULL ? "" : (const char *)declared;
    }
    for (int place = 0; place < attribute_count; place++) {
        const xmlChar **attribute = attributes + 5 * place;
        found[place].name.local = (const char *)attribute[0];
        found[place].name.prefix = (const char *)attribute[1];
        found[place].name.uri = (const char *)attribute[2];
        found[place].value = attribute[3];
        found[place].count = (size_t)(attribute[4] - attribute[3]);
    }
    cxml2_name name = {(const char *)local, (const char *)prefix, (const char *)uri};
    if (!state->handler->start(state->context, name, default_namespace, prefixes, found, (size_t)attribute_count,
                               offset_of(state)))
        stop(state, CXML2_STOPPED);
}

static void end_element(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri) {
    reading *state = data;
    (void)local, (void)prefix, (void)uri;
    if (state->verdict != CXML2_READ) return;
    if (!state->handler->end(state->context, offset_of(state))) stop(state, CXML2_STOPPED);
}

static void take_text(reading *state, const xmlChar *bytes, int count, bool is_cdata) {
    if (state->verdict != CXML2_READ) return;
    if (!state->handler->text(state->context, bytes, (size_t)count, is_cdata, offset_of(state)))
        stop(state, CXML2_STOPPED);
}

static void characters(void *data, const xmlChar *bytes, int count) { take_text(data, bytes, count, false); }

static void cdata_block(void *data, const xmlChar *bytes, int count) { take_text(data, bytes, count, true); }

static void processing_instruction(void *data, const xmlChar *target, const xmlChar *content) {
    (void)target, (void)content;
    stop(data, CXML2_FORBIDDEN);
}

static void subset(void *data, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id) {
    (void)name, (void)public_id, (void)system_id;
    stop(data, CXML2_FORBIDDEN);
}

static void entity_declaration(void *data, const xmlChar *name, int type, const xmlChar *public_id,
                               const xmlChar *system_id, xmlChar *content) {
    (void)name, (void)type, (void)public_id, (void)system_id, (void)content;
    stop(data, CXML2_FORBIDDEN);
}

static void entity_reference(void *data, const xmlChar *name) {
    (void)name;
    stop(data, CXML2_FORBIDDEN);
}

static xmlParserInputPtr resolve_entity(void *data, const xmlChar *public_id, const xmlChar *system_id) {
    (void)public_id, (void)system_id;
    stop(data, CXML2_FORBIDDEN);
    return NULL;
}

static void note_error(void *data, xmlErrorPtr error) {
    reading *state = data;
    if (state == NULL || error == NULL || error->level < XML_ERR_ERROR) return;
    if (state->code == 0) state->code = error->code;
}

static void initialise(void) { xmlInitParser(); }

cxml2_result cxml2_read(const uint8_t *bytes, size_t count, const cxml2_handler *handler, void *context) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cxml2_result result = {CXML2_EXHAUSTED, 0, 0};
    pthread_once(&once, initialise);
    if (bytes == NULL || count == 0 || count > INT_MAX) {
        result.verdict = CXML2_MALFORMED;
        return result;
    }
    xmlParserCtxtPtr parser = xmlCreateMemoryParserCtxt((const char *)bytes, (int)count);
    if (parser == NULL) return result;
    reading state = {parser, handler, context, CXML2_READ, 0, false};
    xmlSAXHandler *sax = parser->sax;
    memset(sax, 0, sizeof *sax);
    sax->initialized = XML_SAX2_MAGIC;
    sax->startElementNs = start_element;
    sax->endElementNs = end_element;
    sax->characters = characters;
    sax->ignorableWhitespace = characters;
    sax->cdataBlock = cdata_block;
    sax->processingInstruction = processing_instruction;
    sax->internalSubset = subset;
    sax->externalSubset = subset;
    sax->entityDecl = entity_declaration;
    sax->reference = entity_reference;
    sax->resolveEntity = resolve_entity;
    sax->serror = note_error;
    // NOENT resolves the five predefined entities in attribute values, of which libxml2 would leave `&#38;` for `&`;
    // there are no others, since a declaration of one stops the reading. Not set: HUGE, DTDLOAD, DTDATTR, RECOVER.
    xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_NOENT);
    parser->userData = &state;
    xmlParseDocument(parser);
    result.verdict = state.verdict;
    result.code = state.code;
    result.offset = offset_of(&state);
    if (result.verdict == CXML2_READ && (!parser->wellFormed || !parser->nsWellFormed)) {
        result.verdict = parser->errNo == XML_ERR_NO_MEMORY ? CXML2_EXHAUSTED : CXML2_MALFORMED;
        if (result.code == 0) result.code = parser->errNo;
    }
    // There is no tree: no handler that would build one is set.
    xmlFreeParserCtxt(parser);
    return result;
}

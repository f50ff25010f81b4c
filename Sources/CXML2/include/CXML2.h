// The one way from Swift to libxml2: a whole text in memory goes in, elements come out as calls.
// No type of libxml2 is named here. No DTD, no entity, no processing instruction, no network, no file.
#ifndef CXML2_H
#define CXML2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A name with its namespace. The prefix is NULL where none is written, the URI where the name has no namespace.
/// Pointers hold during the call; equal names of one text have equal pointers.
typedef struct {
    const char *local;
    const char *prefix;
    const char *uri;
} cxml2_name;

/// An attribute that is no namespace declaration. The value is normalised (XML 1.0 §3.3.3) and its references are
/// resolved; it is not terminated.
typedef struct {
    cxml2_name name;
    const uint8_t *value;
    size_t count;
} cxml2_attribute;

/// What is told of a text. Offsets count its bytes. A function that returns false stops the reading.
typedef struct {
    /// The start tag has been read as far as the offset: past its attributes, before its `>` or `/>`.
    /// `default_namespace` is what the tag itself declares as `xmlns`, or NULL; `prefixes` is how many it declares.
    bool (*start)(void *context, cxml2_name name, const char *default_namespace, size_t prefixes,
                  const cxml2_attribute *attributes, size_t count, size_t offset);
    /// The element has been read to its end, which is the offset.
    bool (*end)(void *context, size_t offset);
    /// Text between tags, in pieces; `is_cdata` in a CDATA section.
    bool (*text)(void *context, const uint8_t *bytes, size_t count, bool is_cdata, size_t offset);
} cxml2_handler;

typedef enum {
    /// Read to its end.
    CXML2_READ,
    /// A function of the handler has returned false.
    CXML2_STOPPED,
    /// Not well-formed, or its namespaces are not.
    CXML2_MALFORMED,
    /// A document type declaration, an entity of one's own or a processing instruction.
    CXML2_FORBIDDEN,
    /// An encoding other than UTF-8 is declared, or a version other than 1.0.
    CXML2_DECLARATION,
    /// No memory.
    CXML2_EXHAUSTED
} cxml2_verdict;

typedef struct {
    cxml2_verdict verdict;
    /// The library's own error number, 0 where it has none.
    int code;
    /// The byte at which the reading ended.
    size_t offset;
} cxml2_result;

/// Reads a text that is valid UTF-8. Can be called from any thread.
cxml2_result cxml2_read(const uint8_t *bytes, size_t count, const cxml2_handler *handler, void *context);

#endif

// For CXML2 alone: Swift never imports this module. Were it to, the ICU types that Debian's libxml2 names in its public
// headers would clash with those of Foundation; without the switch they are not named.
#include <libxml/xmlversion.h>
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>

// Files that the server shows to a browser, carried inside the binary.
#ifndef CASSETS_H
#define CASSETS_H
#include <stddef.h>

/// One embedded file: its path below `Sources/CAssets`, its bytes and their number.
typedef struct {
    const char *path;
    const unsigned char *bytes;
    size_t length;
} chaperone_asset;

/// All embedded files; ends with an entry whose path is NULL.
extern const chaperone_asset *const chaperone_assets;

#endif

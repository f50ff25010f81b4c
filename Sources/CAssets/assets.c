#include "CAssets.h"

// One line per file: ASSET(identifier, "path").
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char pages_chaperone_css[] = {
#embed "pages/chaperone.css"
};

static const chaperone_asset table[] = {
    {"pages/chaperone.css", pages_chaperone_css, sizeof pages_chaperone_css},
    {NULL, NULL, 0},
};

const chaperone_asset *const chaperone_assets = table;

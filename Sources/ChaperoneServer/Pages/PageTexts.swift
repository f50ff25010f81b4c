internal import Authorization

/// One text of the pages in every language there is: one that is left out does not compile.
struct PageText: Sendable {
    let english: String
    let spanish: String

    init(_ english: String, _ spanish: String) {
        self.english = english
        self.spanish = spanish
    }

    func `in`(_ language: PageLanguage) -> String { language == .english ? english : spanish }
}

/// The words of every page that a person sees. The templates hold none of their own; a test compares both.
enum PageTexts {
    /// All texts by their keys, for a template.
    static func texts(_ language: PageLanguage) -> [String: String] { all[language] ?? [:] }

    /// Every key with its texts, without those of the account pages, which stand in `AccountTexts`.
    static let catalogue = general.merging(launch) { first, _ in first }.merging(secondFactor) { first, _ in first }
        .merging(password) { first, _ in first }

    private static let all: [PageLanguage: [String: String]] = Dictionary(
        uniqueKeysWithValues: PageLanguage.allCases.map { language in
            (language, AccountTexts.texts(language).merging(catalogue.mapValues { $0.in(language) }) { own, _ in own })
        })

    private static let general: [String: PageText] = [
        "cancel": .init("Cancel", "Cancelar"), "continue": .init("Continue", "Continuar"),
        "toStart": .init("To the start page", "A la página de inicio"),
        "forDeveloper": .init("For the app's developer", "Para quien desarrolla la aplicación"),
        "error": .init("Error", "Error"), "reason": .init("Reason", "Motivo"),
        // Messages.
        "failedHeading": .init("That did not work", "No ha funcionado"),
        "failedText": .init(
            "Nothing was shared with any app.", "No se ha compartido nada con ninguna aplicación."),
        "failedAdvice1": .init(
            "Go back to the app and start again: a page like this one is valid only once and for a short time.",
            "Vuelva a la aplicación y empiece de nuevo: una página como esta vale una sola vez y por poco tiempo."),
        "failedAdvice2": .init(
            "If it happens again, tell the makers of the app what stands below.",
            "Si vuelve a ocurrir, comunique a quienes hacen la aplicación lo que figura abajo."),
        "unavailableHeading": .init("Not available just now", "No disponible en este momento"),
        "unavailableText": .init(
            "Something on our side is out of order. Nothing was shared with any app.",
            "Algo de nuestro lado no funciona. No se ha compartido nada con ninguna aplicación."),
        "unavailableAdvice": .init("Try again in a few minutes.", "Inténtelo de nuevo en unos minutos."),
        "notFoundHeading": .init("There is no such page", "Esa página no existe"),
        "notFoundText": .init(
            "The address may be mistyped, or the page was valid only once.",
            "Puede que la dirección esté mal escrita o que la página valiera una sola vez."),
        "notHereHeading": .init("That cannot be done here", "Eso no se puede hacer aquí"),
        "notHereText": .init(
            "This address does not take such a request.", "Esta dirección no acepta una petición así."),
        "orLocalAccount": .init("or with an account of this site", "o con una cuenta de este sitio"),
        "continueWith": .init("Continue with", "Continuar con"),
        "stillSignedInAt": .init("You may still be signed in at", "Puede que siga con la sesión abierta en"),
        "signOutThereToo": .init("Sign out there too:", "Cerrar la sesión también allí:"),
        "backToApp": .init("Back to the app", "Volver a la aplicación"),
        "toStartPage": .init("To the start page", "Ir a la página de inicio"),
        "signedOutHeading": .init("You are signed out", "Ha cerrado la sesión"),
        "signedOutText": .init(
            "Apps that you have allowed keep the access that you gave them.",
            "Las aplicaciones que usted permitió conservan el acceso que les dio."),
        // The question before signing out.
        "signOutHeading": .init("Sign out?", "¿Cerrar la sesión?"),
        "signOutText": .init(
            "Apps that you have allowed keep their access. This ends only your session in this browser.",
            "Las aplicaciones que usted permitió conservan su acceso. Esto solo cierra su sesión en este navegador."),
        "staySignedIn": .init("Stay signed in", "Seguir con la sesión abierta"),
        // The start page.
        "welcome": .init("Welcome", "Bienvenida"),
        "indexHeading": .init("Your records, under your hand", "Sus datos, en sus manos"),
        "indexLead": .init(
            "This server lets apps read health records when, and only as far as, the person they are about has agreed.",
            "Este servidor deja que las aplicaciones lean datos de salud solo cuando, y hasta donde, lo acepta la persona de quien tratan."
        ),
        "forMembers": .init("For members", "Para los miembros"),
        "startInApp": .init(
            "Start in the app that you want to use. It will bring you here to sign in and to choose what it may see.",
            "Empiece en la aplicación que quiera usar. Ella le traerá aquí para iniciar sesión y elegir qué puede ver."),
        "openDemo": .init("Open the demo app", "Abrir la aplicación de demostración"),
        "seeAccount": .init(
            "See which apps have access, and who read what", "Vea qué aplicaciones tienen acceso y quién leyó qué"),
        "forDevelopers": .init("For developers", "Para quienes desarrollan"),
        "fhirBase": .init("FHIR base", "Base FHIR"),
        "smartConfiguration": .init("SMART configuration", "Configuración SMART"),
        "openIDConfiguration": .init("OpenID configuration", "Configuración de OpenID"),
        "signingKeys": .init("Signing keys", "Claves de firma"),
        "capabilityStatement": .init("CapabilityStatement", "CapabilityStatement"),
    ]
}

/// The words of the account pages. Every text stands there in every language; the test compares the keys.
enum AccountTexts {
    static func texts(_ language: PageLanguage) -> [String: String] {
        switch language {
        case .english: english
        case .spanish: spanish
        }
    }

    private static let english: [String: String] = [
        "skip": "Skip to content",
        "foot": "You decide which apps may read your health records. Nothing is shared without your yes.",
        "demo": "Demonstration with made-up people. Never enter real data here.",
        "language": "Español", "languageCode": "es", "signedInAs": "Signed in as", "signOut": "Sign out",
        "navigation": "Your account", "apps": "Connected apps", "activity": "Who read what", "sessions": "Sign-ins",
        "appsLead": "These apps may read health records because you allowed it. You can end each access at once.",
        "noApps": "No app has access through you.",
        "actsFor": "You act for", "self": "You",
        "whose": "Whose records", "since": "Since", "lastUse": "Last used", "never": "not yet",
        "maySee": "What it may see",
        "endAccess": "End access", "ended": "The access has ended.", "endedNone": "That access had ended already.",
        "peopleUnknown":
            "Just now we cannot look up for whom you act, so names may be missing. You can still end any access.",
        "activityLead": "Each line is one request that was answered or refused, as it stands in the audit log.",
        "noActivity": "Nothing has been read yet.",
        "when": "When", "who": "Who", "what": "What", "scope": "Under which permission", "result": "Result",
        "allowed": "answered", "refused": "refused", "failed": "failed", "records": "records",
        "pending": "not finished", "interrupted": "broke off, part may have been read",
        "decisionGiven": "allowed, through another gateway", "noScope": "none",
        "askedOnly": "only asked for; nothing about this person was given",
        "basis": "Program", "older": "Older entries", "newest": "Back to the newest", "person": "Person",
        "sessionsLead": "These browsers are signed in to this server under your name.",
        "thisSession": "This browser", "otherSession": "Another browser", "begun": "Signed in", "seen": "Last active",
        "endSession": "Sign out there", "sessionEnded": "That browser is signed out.",
        "sessionGone": "That browser was signed out already.",
        "signIn": "Sign in", "signInLead": "Sign in to see which apps may read your records, and what was read.",
        "username": "User name", "password": "Password",
        "wrong": "That user name and password do not belong together.",
        "tooMany": "There were too many attempts. Try again later.",
        "busy": "Many people are signing in just now. Try again in a moment.",
        "read": "opened", "vread": "opened an older version of", "search-type": "searched", "create": "added",
        "update": "changed", "patch": "changed", "delete": "deleted", "history-instance": "looked at the history of",
        "history-type": "looked at the history of", "other": "asked for", "you": "you", "byItself": "by itself",
        "patient-access": "Patient access", "provider-access": "Provider access", "payer-to-payer": "Payer to payer",
        "prior-authorization": "Prior authorization", "general": "General",
        "offline": "until you end it", "until": "until",
    ]

    private static let spanish: [String: String] = [
        "skip": "Ir al contenido",
        "foot": "Usted decide qué aplicaciones pueden leer sus datos de salud. Nada se comparte sin su permiso.",
        "demo": "Demostración con personas inventadas. No introduzca nunca datos reales.",
        "language": "English", "languageCode": "en", "signedInAs": "Sesión de", "signOut": "Cerrar sesión",
        "navigation": "Su cuenta", "apps": "Aplicaciones conectadas", "activity": "Quién leyó qué",
        "sessions": "Sesiones",
        "appsLead":
            "Estas aplicaciones pueden leer datos de salud porque usted lo permitió. Puede retirar cada acceso al instante.",
        "noApps": "Ninguna aplicación tiene acceso a través de usted.",
        "actsFor": "Usted actúa en nombre de", "self": "Usted",
        "whose": "Datos de", "since": "Desde", "lastUse": "Último uso", "never": "todavía no",
        "maySee": "Qué puede ver",
        "endAccess": "Retirar el acceso", "ended": "El acceso ha sido retirado.",
        "endedNone": "Ese acceso ya había terminado.",
        "peopleUnknown":
            "Ahora mismo no podemos consultar en nombre de quién actúa, así que pueden faltar nombres. Puede retirar cualquier acceso.",
        "activityLead":
            "Cada línea es una petición respondida o rechazada, tal como consta en el registro de auditoría.",
        "noActivity": "Todavía no se ha leído nada.",
        "when": "Cuándo", "who": "Quién", "what": "Qué", "scope": "Con qué permiso", "result": "Resultado",
        "allowed": "respondida", "refused": "rechazada", "failed": "fallida", "records": "registros",
        "pending": "sin terminar", "interrupted": "interrumpida, es posible que se haya leído una parte",
        "decisionGiven": "permitida, a través de otra pasarela", "noScope": "ninguno",
        "askedOnly": "solo se preguntó; no se entregó nada de esta persona",
        "basis": "Programa", "older": "Entradas anteriores", "newest": "Volver a las más recientes",
        "person": "Persona",
        "sessionsLead": "Estos navegadores tienen una sesión abierta a su nombre en este servidor.",
        "thisSession": "Este navegador", "otherSession": "Otro navegador", "begun": "Inicio de sesión",
        "seen": "Última actividad",
        "endSession": "Cerrar esa sesión", "sessionEnded": "Esa sesión se ha cerrado.",
        "sessionGone": "Esa sesión ya estaba cerrada.",
        "signIn": "Iniciar sesión",
        "signInLead": "Inicie sesión para ver qué aplicaciones pueden leer sus datos y qué se ha leído.",
        "username": "Usuario", "password": "Contraseña",
        "wrong": "El usuario y la contraseña no se corresponden.",
        "tooMany": "Ha habido demasiados intentos. Inténtelo más tarde.",
        "busy": "Muchas personas están iniciando sesión ahora. Inténtelo en un momento.",
        "read": "abrió", "vread": "abrió una versión anterior de", "search-type": "buscó", "create": "añadió",
        "update": "cambió", "patch": "cambió", "delete": "borró", "history-instance": "consultó el historial de",
        "history-type": "consultó el historial de", "other": "pidió", "you": "usted", "byItself": "por sí misma",
        "patient-access": "Acceso del paciente", "provider-access": "Acceso del proveedor",
        "payer-to-payer": "Entre aseguradoras", "prior-authorization": "Autorización previa", "general": "General",
        "offline": "hasta que usted lo retire", "until": "hasta",
    ]
}

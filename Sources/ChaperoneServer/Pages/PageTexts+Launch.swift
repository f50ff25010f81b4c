/// The words of a launch: login, choice of patient and visit, consent, return.
extension PageTexts {
    static let launch: [String: PageText] = [
        "loginLead": .init(
            " would like to read health records. Sign in first; then you decide.",
            " desea leer datos de salud. Primero inicie sesión; después decide usted."),
        "tooManyIn": .init(
            "There were too many attempts. Try again in", "Ha habido demasiados intentos. Inténtelo de nuevo dentro de"),
        "seconds": .init("seconds", "segundos"), "minutes": .init("minutes", "minutos"),
        "demoAccounts": .init("Demo accounts", "Cuentas de demostración"),
        "demoPassword": .init("password", "contraseña"),
        "demoParent": .init("acts for a child", "actúa en nombre de un menor"),
        // Whose records.
        "patientHeading": .init("Whose records?", "¿Los datos de quién?"),
        "patientLeadBefore": .init(
            "You may act for more than one person. Choose the one whose records",
            "Usted puede actuar en nombre de más de una persona. Elija aquella cuyos datos podrá pedir"),
        "patientLeadAfter": .init(" may ask for.", "."),
        "staffLeadBefore": .init("Choose the patient for whom", "Elija el paciente para el que se abrirá"),
        "staffLeadAfter": .init(
            " is to be opened. Only patients whose records you may use are listed.",
            ". Solo aparecen los pacientes cuyos datos usted puede usar."),
        "badPatient": .init(
            "That choice is not open to you. Choose one of these.",
            "Esa elección no está a su alcance. Elija una de estas."),
        "findByName": .init("Find by name", "Buscar por nombre"), "search": .init("Search", "Buscar"),
        "nobodyFound": .init(
            "Nobody whose records you may use was found by that name.",
            "Con ese nombre no se encontró a nadie cuyos datos usted pueda usar."),
        "nobodyYet": .init(
            "Nobody of that name is among the people looked through so far. Go on, or search for a longer name.",
            "Entre las personas revisadas hasta ahora no hay nadie con ese nombre. Siga, o busque un nombre más largo."),
        "nobodyThere": .init(
            "There is nobody whose records you may use.", "No hay nadie cuyos datos usted pueda usar."),
        "morePeople": .init("More people", "Más personas"),
        "openByID": .init("Or open a record by its id", "O abra un expediente por su identificador"),
        "open": .init("Open", "Abrir"),
        // Which visit.
        "encounterHeading": .init("Which visit?", "¿Qué visita?"),
        "encounterLeadBefore": .init(" would like to know which visit", " desea saber para qué visita"),
        "encounterOf": .init(" of ", " de "),
        "encounterLeadAfter": .init(
            " it is opened for. You may leave this open.", " se abre. Puede dejarlo sin indicar."),
        "badEncounter": .init(
            "That visit is not one of this person’s. Choose one of these.",
            "Esa visita no es de esta persona. Elija una de estas."),
        "visit": .init("Visit", "Visita"),
        "noVisit": .init("No particular visit", "Ninguna visita en particular"),
        // Consent.
        "consentTitle": .init("Allow access?", "¿Permitir el acceso?"),
        "consentBefore": .init("Allow", "¿Permitir que"), "consentAfter": .init("to see records?", "vea datos?"),
        "whoAsks": .init("Who asks", "Quién lo pide"), "at": .init("at", "en"),
        "notReviewed": .init(
            "This app has not been reviewed by us.", "No hemos revisado esta aplicación."),
        "whoseRecords": .init("Whose records", "De quién son los datos"),
        "howLong": .init("For how long", "Por cuánto tiempo"),
        "durationOffline": .init(
            "Until you end it, while the app keeps using it; less if you untick “Keep this access” below",
            "Hasta que usted lo retire, mientras la aplicación lo siga usando; menos si desmarca «Conservar este acceso» más abajo"
        ),
        "durationSession": .init("For this session only", "Solo para esta sesión"),
        "ableTo": .init("It would be able to", "Podría"),
        "untick": .init(
            "Untick what you do not want to share. You can say yes to a part.",
            "Desmarque lo que no quiera compartir. Puede aceptar solo una parte."),
        "sensitiveLegend": .init(
            "It also asks for records that are more personal", "También pide datos que son más personales"),
        "sensitiveHelp": .init(
            "Notes, reports and answers to questions can tell things that you may not want to share with everybody.",
            "Las notas, los informes y las respuestas a preguntas pueden contar cosas que quizá no quiera compartir con todos."
        ),
        "alsoAsks": .init("It also asks to", "También pide"),
        "remember": .init(
            "Remember this choice for 90 days. You are asked again when the app wants more.",
            "Recordar esta decisión durante 90 días. Se le preguntará otra vez si la aplicación quiere más."),
        "fineprint": .init(
            "Once records are with the app, its own privacy terms apply to them. You can end this access at any time.",
            "Una vez que la aplicación tiene los datos, se rigen por sus propias condiciones de privacidad. Puede retirar este acceso en cualquier momento."
        ),
        "allow": .init("Allow what is ticked", "Permitir lo marcado"), "deny": .init("Do not allow", "No permitir"),
        "chooseBefore": .init("Choose among", "Elegir entre"), "chooseAfter": .init("kinds", "tipos"),
        "morePersonal": .init("more personal", "más personal"),
        // Back to an app that nobody vouches for.
        "leaving": .init("Leaving", "Salida"),
        "leavingHeading": .init("Nothing was shared", "No se ha compartido nada"),
        "leavingLead": .init(
            " gets no access to any records through this request.",
            " no obtiene acceso a ningún dato con esta petición."),
        "leavingBefore": .init(
            "You can return to the app. The link leads to", "Puede volver a la aplicación. El enlace lleva a"),
        "leavingAfter": .init(", which is not part of this site.", ", que no forma parte de este sitio."),
        "returnToApp": .init("Return to the app", "Volver a la aplicación"),
        "stayHere": .init("Stay here", "Quedarse aquí"),
    ]
}

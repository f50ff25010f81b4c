/// The words about second factors.
extension PageTexts {
    static let secondFactor: [String: PageText] = [
        "security": .init("Security", "Seguridad"),
        "codeHeading": .init("Enter your code", "Introduzca su código"),
        "codeLead": .init(
            "Your password was right. Now enter the six digits that your authenticator app shows.",
            "La contraseña es correcta. Introduzca ahora las seis cifras que muestra su aplicación de autenticación."),
        "code": .init("Code", "Código"),
        "codeHelp": .init(
            "Without your app you can enter one of your recovery codes instead.",
            "Sin la aplicación puede introducir en su lugar uno de sus códigos de recuperación."),
        "wrongCode": .init(
            "That code is not valid, or was used already. Wait for the next one.",
            "Ese código no es válido o ya se ha usado. Espere al siguiente."),
        "wrongPassword": .init("That is not your password.", "Esa no es su contraseña."),
        "changedMeanwhile": .init(
            "That has changed meanwhile. Nothing was done; look again.",
            "Eso ha cambiado entretanto. No se ha hecho nada; vuelva a mirar."),
        "newKey": .init("Show a new key", "Mostrar una clave nueva"),
        "enrolHeading": .init("Set up a second factor", "Configure un segundo factor"),
        "enrolLeadDue": .init(
            "This sign-in needs a second factor, and you have none yet. It takes a minute.",
            "Este inicio de sesión necesita un segundo factor y usted todavía no tiene ninguno. Solo lleva un minuto."),
        "enrolStep1": .init(
            "Scan this picture with an authenticator app, or type the key into it.",
            "Escanee esta imagen con una aplicación de autenticación o escriba en ella la clave."),
        "enrolStep2": .init(
            "Enter the six digits that the app shows.", "Introduzca las seis cifras que muestra la aplicación."),
        "qrLabel": .init(
            "QR code of the key; the same key stands as text below",
            "Código QR de la clave; la misma clave figura abajo como texto"),
        "key": .init("Key", "Clave"), "keyAddress": .init("As an address", "Como dirección"),
        "confirm": .init("Confirm", "Confirmar"),
        "codesHeading": .init("Your recovery codes", "Sus códigos de recuperación"),
        "codesLead": .init(
            "Each of these lets you in once without your app. Write them down and keep them apart from it: they are shown only now.",
            "Cada uno de estos le deja entrar una vez sin su aplicación. Anótelos y guárdelos en otro lugar: solo se muestran ahora."
        ),
        "codesDone": .init("I have written them down", "Ya los he anotado"),
        "factorLead": .init(
            "A second factor keeps your account yours even when somebody learns your password: at every sign-in you also enter a code that only your own device shows.",
            "Un segundo factor protege su cuenta aunque alguien averigüe su contraseña: en cada inicio de sesión introduce además un código que solo muestra su propio dispositivo."
        ),
        "factorState": .init("Authenticator app", "Aplicación de autenticación"),
        "factorOn": .init("set up since", "configurada desde"), "factorOff": .init("not set up", "sin configurar"),
        "codesLeft": .init("Recovery codes left", "Códigos de recuperación restantes"),
        "setUp": .init("Set up", "Configurar"),
        "setUpHelp": .init("Enter your password again to begin.", "Introduzca otra vez su contraseña para empezar."),
        "othersEnd": .init(
            "Your other browsers are then signed out.", "Se cerrarán entonces sus sesiones en otros navegadores."),
        "renewCodes": .init("Make new recovery codes", "Crear nuevos códigos de recuperación"),
        "renewHelp": .init("The old ones are then worth nothing.", "Los anteriores dejan entonces de valer."),
        "removeFactor": .init("Remove the second factor", "Quitar el segundo factor"),
        "removeHelp": .init(
            "From then on your password alone is enough.", "A partir de entonces bastará con su contraseña."),
        "removed": .init("The second factor is removed.", "El segundo factor se ha quitado."),
        "factorDemanded": .init(
            "Your role demands a second factor: you will be asked to set up another one when you sign in next.",
            "Su función exige un segundo factor: se le pedirá configurar otro la próxima vez que inicie sesión."),
    ]
}

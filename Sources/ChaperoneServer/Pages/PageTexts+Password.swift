/// The words about the password and about what happened to an account.
extension PageTexts {
    static let password: [String: PageText] = [
        "changePassword": .init("Change your password", "Cambiar la contraseña"),
        "changePasswordHelp": .init(
            "Your other browsers are then signed out. Apps keep the access that you gave them.",
            "Se cerrarán entonces sus sesiones en otros navegadores. Las aplicaciones conservan el acceso que usted les dio."
        ),
        "presentPassword": .init("Present password", "Contraseña actual"),
        "newPassword": .init("New password", "Contraseña nueva"),
        "newPasswordAgain": .init("New password again", "Repita la contraseña nueva"),
        "newPasswordLength": .init("Fewest characters:", "Número mínimo de caracteres:"),
        "newPasswordShort": .init(
            "The new password is too short or far too long. Fewest characters:",
            "La contraseña nueva es demasiado corta o larguísima. Número mínimo de caracteres:"),
        "newPasswordDiffers": .init(
            "The two new passwords differ. Nothing was changed.",
            "Las dos contraseñas nuevas no coinciden. No se ha cambiado nada."),
        "newPasswordSame": .init(
            "That is the password that you have already.", "Esa es la contraseña que ya tiene."),
        "passwordChanged": .init(
            "Your password is changed, and your other browsers are signed out. Apps keep their access; if somebody else knew your password, disconnect them all below.",
            "La contraseña se ha cambiado y se han cerrado sus demás sesiones. Las aplicaciones conservan su acceso; si otra persona conocía su contraseña, desconéctelas todas abajo."
        ),
        "endAll": .init("Disconnect all apps", "Desconectar todas las aplicaciones"),
        "endAllHelp": .init(
            "Ends every access to records that was given under your name, at once, and forgets the choices that were remembered. You can allow an app again later.",
            "Retira al instante todo acceso a datos que se haya dado en su nombre y olvida las decisiones recordadas. Más tarde puede volver a permitir una aplicación."
        ),
        "endedAll": .init("All apps are disconnected.", "Todas las aplicaciones están desconectadas."),
        "yourAccount": .init("What happened to your account", "Qué ha pasado con su cuenta"),
        "yourAccountHelp": .init(
            "If one of these was not you, change your password and tell us.",
            "Si alguno de estos cambios no lo hizo usted, cambie la contraseña y avísenos."),
        "from": .init("from", "desde"),
        "noticePasswordChanged": .init("Your password was changed", "Se cambió la contraseña"),
        "noticePasswordSet": .init(
            "An administrator set a password for you", "Un administrador le puso una contraseña"),
        "noticeFactorSetUp": .init("A second factor was set up", "Se configuró un segundo factor"),
        "noticeFactorRemoved": .init("The second factor was removed", "Se quitó el segundo factor"),
        "noticeCodesRenewed": .init("New recovery codes were made", "Se crearon códigos de recuperación nuevos"),
        "noticeCodeUsed": .init("A recovery code was used", "Se usó un código de recuperación"),
    ]
}

//! All of libclang behind one thin layer: one method per call, owners that drop.
//!
//! libclang is loaded at run time, the newest one found. Nothing outside this module uses
//! `clang_sys`, and nothing here knows what the answers are for.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::sync::Arc;

use clang_sys as c;

pub use clang_sys::{
    CXCursor_AddrLabelExpr as LABEL_ADDRESS, CXCursor_ArraySubscriptExpr as SUBSCRIPT,
    CXCursor_AsmLabelAttr as ASM_LABEL, CXCursor_BinaryOperator as BINARY, CXCursor_BreakStmt as BREAK,
    CXCursor_CStyleCastExpr as CAST, CXCursor_CallExpr as CALL, CXCursor_CaseStmt as CASE,
    CXCursor_CharacterLiteral as CHARACTER, CXCursor_CompoundAssignOperator as COMPOUND_ASSIGN,
    CXCursor_CompoundLiteralExpr as COMPOUND_LITERAL, CXCursor_CompoundStmt as COMPOUND,
    CXCursor_ConditionalOperator as CONDITIONAL, CXCursor_ContinueStmt as CONTINUE, CXCursor_DeclRefExpr as DECL_REF,
    CXCursor_DeclStmt as DECL_STMT, CXCursor_DefaultStmt as DEFAULT, CXCursor_DoStmt as DO,
    CXCursor_EnumConstantDecl as ENUM_CONSTANT, CXCursor_EnumDecl as ENUM, CXCursor_FieldDecl as FIELD,
    CXCursor_FloatingLiteral as FLOATING, CXCursor_ForStmt as FOR, CXCursor_FunctionDecl as FUNCTION,
    CXCursor_GotoStmt as GOTO, CXCursor_IfStmt as IF, CXCursor_IndirectGotoStmt as INDIRECT_GOTO,
    CXCursor_InitListExpr as INIT_LIST, CXCursor_IntegerLiteral as INTEGER, CXCursor_LabelStmt as LABEL,
    CXCursor_MemberRef as MEMBER_REF, CXCursor_MemberRefExpr as MEMBER, CXCursor_NullStmt as NULL_STMT,
    CXCursor_ParenExpr as PAREN, CXCursor_ParmDecl as PARAMETER, CXCursor_ReturnStmt as RETURN,
    CXCursor_StaticAssert as STATIC_ASSERT, CXCursor_StmtExpr as STATEMENT_EXPR, CXCursor_StringLiteral as STRING,
    CXCursor_StructDecl as STRUCT, CXCursor_SwitchStmt as SWITCH, CXCursor_TypeRef as TYPE_REF,
    CXCursor_TypedefDecl as TYPEDEF, CXCursor_UnaryExpr as SIZEOF, CXCursor_UnaryOperator as UNARY,
    CXCursor_UnexposedExpr as UNEXPOSED_EXPR, CXCursor_UnionDecl as UNION, CXCursor_VarDecl as VARIABLE,
    CXCursor_WhileStmt as WHILE, CXCursorKind as Kind, CXType_Complex as T_COMPLEX, CXType_ConstantArray as T_ARRAY,
    CXType_Enum as T_ENUM, CXType_FunctionNoProto as T_FUNCTION_NO_PROTO, CXType_FunctionProto as T_FUNCTION,
    CXType_IncompleteArray as T_INCOMPLETE_ARRAY, CXType_Pointer as T_POINTER, CXType_Record as T_RECORD,
    CXType_VariableArray as T_VARIABLE_ARRAY, CXType_Vector as T_VECTOR, CXType_Void as T_VOID,
};

/// Why libclang could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ClangError {
    /// libclang is not installed.
    #[error("libclang was not found ({0}); install it (Debian: apt-get install libclang1-19, or -16 or -14)")]
    Missing(String),
    /// libclang gave up.
    #[error("libclang could not parse the unit")]
    Parse,
}

/// The loaded library, to be shared by threads.
#[derive(Clone)]
pub struct Library(Arc<c::SharedLibrary>);

impl Library {
    /// Finds and loads libclang.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn load() -> Result<Self, ClangError> {
        c::load().map_err(ClangError::Missing)?;
        c::get_library().map(Self).ok_or_else(|| ClangError::Missing("not loaded".into()))
    }

    /// Makes the library usable in the calling thread.
    pub fn enter(&self) {
        c::set_library(Some(self.0.clone()));
    }

    /// Which libclang it is. The calling thread must have [entered](Self::enter) it.
    pub fn version(&self) -> String {
        // SAFETY: the library is loaded, and makes a string of its own.
        take(unsafe { c::clang_getClangVersion() })
    }
}

fn take(string: c::CXString) -> String {
    // SAFETY: `string` came from libclang and is disposed of once, after its text was copied.
    unsafe {
        let text = c::clang_getCString(string);
        let owned = if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() };
        c::clang_disposeString(string);
        owned
    }
}

/// A parsed text.
pub struct Ast {
    index: c::CXIndex,
    unit: c::CXTranslationUnit,
}

/// What to do with the bodies of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// They are part of the tree.
    Parse,
    /// Only what stands outside of functions matters.
    Skip,
}

/// A complaint of the parser.
pub struct Diagnostic {
    /// An error, as opposed to a warning.
    pub error: bool,
    /// Byte offset in the text.
    pub offset: usize,
    /// What it says.
    pub message: String,
}

impl Ast {
    /// Parses `text` as C with `arguments`. The calling thread must have entered the [`Library`].
    ///
    /// # Errors
    /// When libclang makes no tree at all. Errors in the text are [`diagnostics`](Self::diagnostics).
    pub fn parse(text: &str, arguments: &[String], bodies: Bodies) -> Result<Self, ClangError> {
        let options = match bodies {
            Bodies::Parse => c::CXTranslationUnit_KeepGoing,
            Bodies::Skip => c::CXTranslationUnit_KeepGoing | c::CXTranslationUnit_SkipFunctionBodies,
        };
        let name = c"unit.c";
        let arguments: Vec<CString> = arguments.iter().filter_map(|a| CString::new(a.as_str()).ok()).collect();
        let pointers: Vec<_> = arguments.iter().map(|a| a.as_ptr()).collect();
        let mut file =
            c::CXUnsavedFile { Filename: name.as_ptr(), Contents: text.as_ptr().cast(), Length: text.len() as _ };
        // SAFETY: all pointers outlive the call; libclang copies what it keeps. The index is disposed of in drop.
        unsafe {
            let index = c::clang_createIndex(0, 0);
            let unit = c::clang_parseTranslationUnit(
                index,
                name.as_ptr(),
                pointers.as_ptr(),
                pointers.len() as _,
                &mut file,
                1,
                options,
            );
            if unit.is_null() {
                c::clang_disposeIndex(index);
                return Err(ClangError::Parse);
            }
            Ok(Self { index, unit })
        }
    }

    /// The root of the tree.
    pub fn root(&self) -> Node<'_> {
        // SAFETY: the unit is alive.
        Node::new(unsafe { c::clang_getTranslationUnitCursor(self.unit) })
    }

    /// What the parser complained about.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        // SAFETY: the unit is alive; each diagnostic is disposed of once.
        unsafe {
            (0..c::clang_getNumDiagnostics(self.unit))
                .map(|i| {
                    let d = c::clang_getDiagnostic(self.unit, i);
                    let result = Diagnostic {
                        error: c::clang_getDiagnosticSeverity(d) >= c::CXDiagnostic_Error,
                        offset: offset(c::clang_getDiagnosticLocation(d)),
                        message: take(c::clang_getDiagnosticSpelling(d)),
                    };
                    c::clang_disposeDiagnostic(d);
                    result
                })
                .collect()
        }
    }
}

impl Drop for Ast {
    fn drop(&mut self) {
        // SAFETY: both were created in `parse` and are disposed of once, the unit first.
        unsafe {
            c::clang_disposeTranslationUnit(self.unit);
            c::clang_disposeIndex(self.index);
        }
    }
}

fn offset(location: c::CXSourceLocation) -> usize {
    let mut offset = 0;
    // SAFETY: out pointers may be null; `offset` outlives the call.
    unsafe {
        c::clang_getFileLocation(
            location,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &mut offset,
        );
    }
    offset as usize
}

/// A node of the tree (a cursor).
#[derive(Clone, Copy)]
pub struct Node<'a> {
    cursor: c::CXCursor,
    ast: PhantomData<&'a Ast>,
}

impl<'a> Node<'a> {
    fn new(cursor: c::CXCursor) -> Self {
        Self { cursor, ast: PhantomData }
    }

    fn some(cursor: c::CXCursor) -> Option<Self> {
        // SAFETY: any cursor value may be asked.
        (unsafe { c::clang_Cursor_isNull(cursor) == 0 && c::clang_isInvalid(cursor.kind) == 0 })
            .then(|| Self::new(cursor))
    }

    /// The kind of the node.
    pub fn kind(self) -> Kind {
        self.cursor.kind
    }

    /// Whether it is an attribute.
    pub fn is_attribute(self) -> bool {
        // SAFETY: any kind may be asked.
        unsafe { c::clang_isAttribute(self.cursor.kind) != 0 }
    }

    /// Its children.
    pub fn children(self) -> Vec<Node<'a>> {
        extern "C" fn visit(child: c::CXCursor, _: c::CXCursor, data: c::CXClientData) -> c::CXChildVisitResult {
            // SAFETY: `data` is the vector passed below; libclang calls back only during the visit.
            unsafe { (*data.cast::<Vec<c::CXCursor>>()).push(child) };
            c::CXChildVisit_Continue
        }
        let mut list: Vec<c::CXCursor> = Vec::new();
        // SAFETY: the visitor only touches `list`, which outlives the visit.
        unsafe { c::clang_visitChildren(self.cursor, visit, (&raw mut list).cast::<c_void>()) };
        list.into_iter().map(Node::new).collect()
    }

    /// Byte offsets of its first byte and behind its last one.
    pub fn range(self) -> (usize, usize) {
        // SAFETY: the tree is alive.
        unsafe {
            let range = c::clang_getCursorExtent(self.cursor);
            (offset(c::clang_getRangeStart(range)), offset(c::clang_getRangeEnd(range)))
        }
    }

    /// Byte offset of its name.
    pub fn location(self) -> usize {
        // SAFETY: the tree is alive.
        unsafe { offset(c::clang_getCursorLocation(self.cursor)) }
    }

    /// Whether it comes from a system header, according to the line markers.
    pub fn in_system_header(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Location_isInSystemHeader(c::clang_getCursorLocation(self.cursor)) != 0 }
    }

    /// Source file and line according to the line markers.
    pub fn presumed(self) -> (String, u32) {
        // SAFETY: the tree is alive; out pointers outlive the call.
        unsafe {
            let (mut file, mut line) = (std::mem::zeroed::<c::CXString>(), 0);
            c::clang_getPresumedLocation(
                c::clang_getCursorLocation(self.cursor),
                &mut file,
                &mut line,
                std::ptr::null_mut(),
            );
            (take(file), line)
        }
    }

    /// Its name.
    pub fn name(self) -> String {
        // SAFETY: the tree is alive.
        take(unsafe { c::clang_getCursorSpelling(self.cursor) })
    }

    /// The name of its ELF symbol.
    pub fn symbol(self) -> String {
        // SAFETY: the tree is alive.
        take(unsafe { c::clang_Cursor_getMangling(self.cursor) })
    }

    /// The declaration it refers to.
    pub fn referenced(self) -> Option<Node<'a>> {
        // SAFETY: the tree is alive.
        Self::some(unsafe { c::clang_getCursorReferenced(self.cursor) })
    }

    /// Identity of the declared thing: the same for all its declarations.
    pub fn identity(self) -> usize {
        // SAFETY: the tree is alive. `data[0]` is the address of the canonical declaration.
        unsafe { c::clang_getCanonicalCursor(self.cursor).data[0] as usize }
    }

    /// Whether it is a definition.
    pub fn is_definition(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_isCursorDefinition(self.cursor) != 0 }
    }

    /// Whether it is the definition of a function.
    pub fn is_definition_of_function(self) -> bool {
        self.kind() == FUNCTION && self.is_definition()
    }

    /// Internal linkage (or none), as opposed to external linkage.
    pub fn is_internal(self) -> bool {
        // SAFETY: the tree is alive.
        !matches!(
            unsafe { c::clang_getCursorLinkage(self.cursor) },
            c::CXLinkage_External | c::CXLinkage_UniqueExternal
        )
    }

    /// The storage class `static`.
    pub fn is_static(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Cursor_getStorageClass(self.cursor) == c::CX_SC_Static }
    }

    /// The storage class `extern`.
    pub fn is_extern(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Cursor_getStorageClass(self.cursor) == c::CX_SC_Extern }
    }

    /// The storage class `register`.
    pub fn is_register(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Cursor_getStorageClass(self.cursor) == c::CX_SC_Register }
    }

    /// A variable of no function, or `static` in one, or declared `extern` in one.
    pub fn has_global_storage(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Cursor_hasVarDeclGlobalStorage(self.cursor) == 1 }
    }

    /// A thread-local variable.
    pub fn is_thread_local(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_getCursorTLSKind(self.cursor) != c::CXTLS_None }
    }

    /// The initialiser of a variable.
    pub fn initializer(self) -> Option<Node<'a>> {
        // SAFETY: the tree is alive.
        Self::some(unsafe { c::clang_Cursor_getVarDeclInitializer(self.cursor) })
    }

    /// An `inline` function.
    pub fn is_inline(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_Cursor_isFunctionInlined(self.cursor) != 0 }
    }

    /// The declaration that contains it.
    pub fn parent(self) -> Option<Node<'a>> {
        // SAFETY: the tree is alive.
        Self::some(unsafe { c::clang_getCursorSemanticParent(self.cursor) })
    }

    /// Its type.
    pub fn ty(self) -> Type<'a> {
        // SAFETY: the tree is alive.
        Type::new(unsafe { c::clang_getCursorType(self.cursor) })
    }

    /// For a field: its width in bits if it is a bit-field.
    pub fn bit_width(self) -> Option<u32> {
        // SAFETY: the tree is alive.
        let width = unsafe { c::clang_getFieldDeclBitWidth(self.cursor) };
        u32::try_from(width).ok()
    }

    /// For a field: its offset in bits, if known.
    pub fn bit_offset(self) -> Option<u64> {
        // SAFETY: the tree is alive.
        u64::try_from(unsafe { c::clang_Cursor_getOffsetOfField(self.cursor) }).ok()
    }

    /// The value of an enumeration constant.
    pub fn enum_value(self) -> i64 {
        // SAFETY: the tree is alive.
        unsafe { c::clang_getEnumConstantDeclValue(self.cursor) }
    }

    /// The value of an expression that is a constant number, as C.
    pub fn constant(self) -> Option<String> {
        // SAFETY: the tree is alive; any cursor may be asked, and a result that is not null is disposed of once.
        unsafe {
            let result = c::clang_Cursor_Evaluate(self.cursor);
            if result.is_null() {
                return None;
            }
            let value = match c::clang_EvalResult_getKind(result) {
                c::CXEval_Int if c::clang_EvalResult_isUnsignedInt(result) != 0 => {
                    let value = c::clang_EvalResult_getAsUnsigned(result);
                    Some(if i64::try_from(value).is_ok() { value.to_string() } else { format!("{value}UL") })
                }
                c::CXEval_Int => match c::clang_EvalResult_getAsLongLong(result) {
                    // The literal would be that of a larger number, negated.
                    i64::MIN => Some(format!("(-{}L - 1)", i64::MAX)),
                    value => Some(value.to_string()),
                },
                c::CXEval_Float => {
                    let value = c::clang_EvalResult_getAsDouble(result);
                    value.is_finite().then(|| format!("{value:?}"))
                }
                _ => None,
            };
            c::clang_EvalResult_dispose(result);
            value
        }
    }

    /// Whether a struct or union is a member without a name of the one around it.
    pub fn is_unnamed_member(self) -> bool {
        // SAFETY: the tree is alive; any cursor may be asked.
        unsafe { c::clang_Cursor_isAnonymousRecordDecl(self.cursor) != 0 }
    }

    /// For a struct, union or enum without a tag, and for a member without a name.
    pub fn is_anonymous(self) -> bool {
        let name = self.name();
        // Newer libraries give the name of the typedef for a tag. Without a tag, the keyword is the place.
        let tagged = !matches!(self.kind(), STRUCT | UNION | ENUM) || self.location() != self.range().0;
        name.is_empty() || name.contains('(') || !tagged
    }
}

/// A type.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    ty: c::CXType,
    ast: PhantomData<&'a Ast>,
}

impl<'a> Type<'a> {
    fn new(ty: c::CXType) -> Self {
        Self { ty, ast: PhantomData }
    }

    /// How many members a struct or union has, those without names included.
    pub fn member_count(self) -> usize {
        extern "C" fn visit(_: c::CXCursor, data: c::CXClientData) -> c::CXVisitorResult {
            // SAFETY: `data` is the number passed below; libclang calls back only during the visit.
            unsafe { *data.cast::<usize>() += 1 };
            c::CXVisit_Continue
        }
        let mut count = 0_usize;
        // SAFETY: the visitor only touches `count`, which outlives the visit.
        unsafe { c::clang_Type_visitFields(self.ty, visit, (&raw mut count).cast::<c_void>()) };
        count
    }

    /// The kind of the type, not looking through typedefs.
    pub fn kind(self) -> c::CXTypeKind {
        self.ty.kind
    }

    /// The type with all typedefs resolved.
    pub fn canonical(self) -> Self {
        // SAFETY: the tree is alive.
        Self::new(unsafe { c::clang_getCanonicalType(self.ty) })
    }

    /// Its spelling.
    pub fn spelling(self) -> String {
        // SAFETY: the tree is alive.
        take(unsafe { c::clang_getTypeSpelling(self.ty) })
    }

    /// Its declaration.
    pub fn declaration(self) -> Option<Node<'a>> {
        // SAFETY: the tree is alive.
        Node::some(unsafe { c::clang_getTypeDeclaration(self.ty) })
    }

    /// What a pointer points to.
    pub fn pointee(self) -> Self {
        // SAFETY: the tree is alive.
        Self::new(unsafe { c::clang_getPointeeType(self.ty) })
    }

    /// The element type of an array, vector or complex type.
    pub fn element(self) -> Self {
        // SAFETY: the tree is alive.
        Self::new(unsafe { c::clang_getElementType(self.ty) })
    }

    /// The number of elements of an array.
    pub fn length(self) -> i64 {
        // SAFETY: the tree is alive.
        unsafe { c::clang_getNumElements(self.ty) }
    }

    /// The type a function returns.
    pub fn result(self) -> Self {
        // SAFETY: the tree is alive.
        Self::new(unsafe { c::clang_getResultType(self.ty) })
    }

    /// The types of a function's parameters.
    pub fn parameters(self) -> Vec<Self> {
        // SAFETY: the tree is alive; the index is in range.
        unsafe {
            let count = u32::try_from(c::clang_getNumArgTypes(self.ty)).unwrap_or(0);
            (0..count).map(|i| Self::new(c::clang_getArgType(self.ty, i))).collect()
        }
    }

    /// A variadic function.
    pub fn is_variadic(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_isFunctionTypeVariadic(self.ty) != 0 }
    }

    /// `const` at the top level.
    pub fn is_const(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_isConstQualifiedType(self.ty) != 0 }
    }

    /// `volatile` at the top level.
    pub fn is_volatile(self) -> bool {
        // SAFETY: the tree is alive.
        unsafe { c::clang_isVolatileQualifiedType(self.ty) != 0 }
    }

    /// Offset in bits of a field, which may be one of an unnamed member.
    pub fn offset_of(self, field: &str) -> Option<u64> {
        let field = CString::new(field).ok()?;
        // SAFETY: the tree is alive; libclang does not keep the name.
        u64::try_from(unsafe { c::clang_Type_getOffsetOf(self.ty, field.as_ptr()) }).ok()
    }

    /// A number: of integer, floating or enumerated type, characters included.
    pub fn is_number(self) -> bool {
        (c::CXType_Bool..=c::CXType_LongDouble).contains(&self.ty.kind) || self.ty.kind == c::CXType_Enum
    }

    /// Size in bytes, if complete.
    pub fn size(self) -> Option<u64> {
        // SAFETY: the tree is alive.
        u64::try_from(unsafe { c::clang_Type_getSizeOf(self.ty) }).ok()
    }

    /// Alignment in bytes, if complete.
    pub fn align(self) -> Option<u64> {
        // SAFETY: the tree is alive.
        u64::try_from(unsafe { c::clang_Type_getAlignOf(self.ty) }).ok()
    }
}
